import re
import subprocess
import sys

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z]+ [a-z_.]+: .+")

PROGRAM = """
import logging
from app.kernel import log
log.configure()
throttle = log.Throttle(logging.getLogger("app.somewhere"))
for number in range(3):
    throttle.error("it is %s", "away")
throttle._next_at = 0
throttle.warning("it is %s", "back")
logging.getLogger("app.mail").info("of ours")
logging.getLogger("peewee").info("of somebody else")
logging.getLogger("peewee").warning("of somebody else")
"""


def test_every_line_has_a_time_a_level_and_a_module_and_what_repeats_is_counted() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    lines = done.stderr.splitlines()
    assert all(LINE.fullmatch(line) for line in lines)
    assert [line.partition("Z ")[2] for line in lines] == [
        "ERROR app.somewhere: it is away",
        "WARNING app.somewhere: it is back (2 times more before)",
        "INFO app.mail: of ours",
        "WARNING peewee: of somebody else",
    ]
