"""A program that answers in a loop until it is killed, and prints the number of each answer and when it was given."""

import sys
import time

from app.audit.decisions import DecisionLog
from app.config import DecisionLogging
from app.kernel import clock, database
from app.vocabulary import Reason

database.bind(sys.argv[1])
log = DecisionLog(DecisionLogging(sys.argv[2]))
most = int(sys.argv[3])
item = ("person:7", "launch", "service:training", "", True, Reason.ALLOWED, "0123456789ab", 1_000, None)
for _ in range(most):
    number = log.write(clock.timestamp(), "client:training", 1, item)
    sys.stdout.write(f"{number} {time.monotonic()}\n")
    sys.stdout.flush()
    # Its reader has to follow.
    time.sleep(0.001)
