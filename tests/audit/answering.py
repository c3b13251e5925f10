"""A program that answers in a loop until it is killed, and prints the number of each answer, and between which moments
it was written down; or that it refused to answer.

Told `before` or `after`, it kills itself right before or right after it writes its second batch of ten or more.
"""

import os
import signal
import sys
import time
from pathlib import Path

from app.audit.decision_log import DecisionLog, NotLoggedError
from app.audit.journal import Frame, Segment
from app.config import DecisionLogging, Settings
from app.kernel import clock
from app.kernel.database import open_database
from app.runtime import Runtime, use
from app.vocabulary import Reason

folder, url, promise, most, dies = sys.argv[1:]
use(Runtime(settings=Settings(data_dir=Path(folder), database_url=url), database=open_database(url)))
log = DecisionLog(DecisionLogging(promise))
append = Segment.append
long_batches = 0


def append_and_die(segment: Segment, frame: Frame) -> None:
    global long_batches  # noqa: PLW0603  (a program of its own)
    long_batches += frame.size >= 10
    if dies == "before" and long_batches == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    append(segment, frame)
    if dies == "after" and long_batches == 2:
        os.kill(os.getpid(), signal.SIGKILL)


if dies:
    Segment.append = append_and_die
item = ("person:7", "launch", "service:training", "", True, Reason.ALLOWED, "0123456789ab", 1_000, None)
for _ in range(int(most)):
    began = time.monotonic()
    try:
        number = log.write(clock.timestamp(), "client:training", 1, item)
    except NotLoggedError:
        sys.stdout.write("refused 0 0\n")
    else:
        sys.stdout.write(f"{number} {began} {time.monotonic()}\n")
    sys.stdout.flush()
    # Its reader has to follow.
    time.sleep(0.001)
