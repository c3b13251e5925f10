"""A program that answers in a loop until it is killed, and prints the number of each answer, and between which moments
it was written down; or that it refused to answer."""

import sys
import time

from app.audit.decisions import DecisionLog, NotLoggedError
from app.config import DecisionLogging
from app.kernel import clock, database
from app.vocabulary import Reason

database.bind(sys.argv[1])
log = DecisionLog(DecisionLogging(sys.argv[2]))
most = int(sys.argv[3])
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
