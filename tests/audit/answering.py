"""A program that answers in a loop until it is killed, and prints the number of each answer, and between which moments
it was written down; or that it refused to answer.

Told `before` or `after`, it kills itself right before or right after it keeps its second batch of ten or more.
"""

import os
import signal
import sys
import time
from typing import Any

from app.audit import decision_log
from app.audit.decision_log import DecisionLog, NotLoggedError
from app.config import DecisionLogging
from app.kernel import clock, database
from app.vocabulary import Reason

database.bind(sys.argv[1])
log = DecisionLog(DecisionLogging(sys.argv[2]))
most = int(sys.argv[3])
dies = sys.argv[4]
keep = decision_log.store_decisions
long_batches = 0


def store_and_die(*args: Any, first: int, last: int, **more: Any) -> None:
    global long_batches  # noqa: PLW0603  (a program of its own)
    long_batches += last - first >= 10
    if dies == "before" and long_batches == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    keep(*args, first=first, last=last, **more)
    if dies == "after" and long_batches == 2:
        os.kill(os.getpid(), signal.SIGKILL)


if dies:
    decision_log.store_decisions = store_and_die
item = ("person:7", "launch", "service:training", "", True, Reason.ALLOWED, "0123456789ab", 1_000, None)
for _ in range(most):
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
