import json
import os
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


def test_lines_for_programs_are_json_with_the_id_of_the_request() -> None:
    program = (
        PROGRAM
        + """
log.request.set({"HTTP_X_REQUEST_ID": "abc-1"})
logging.getLogger("app.api").warning("in a request")
log.request.set({"HTTP_X_REQUEST_ID": "a name, perhaps"})
try:
    raise OSError("x")
except OSError as error:
    logging.getLogger("app.api").error("failed", exc_info=error)
    logging.getLogger("app.api").error("failed again")
"""
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"LOG_FORMAT": "json"},
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {"time", "level", "logger", "message", "process"} <= set(lines[0])
    assert "request_id" not in lines[0]
    inside, failed, again = lines[-3:]
    assert inside["request_id"] == "abc-1"
    assert "OSError: x" in failed["traceback"]
    assert failed["request_id"] == again["request_id"]
    assert re.fullmatch("[0-9a-f]{16}", failed["request_id"])


def test_what_python_writes_by_itself_is_json_too() -> None:
    program = """
import threading, warnings
from app.kernel import log
log.configure()
warnings.warn("old")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()

class Unwilling:
    def __del__(self):
        raise KeyError("x")

Unwilling()
raise OSError("at the end")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"LOG_FORMAT": "json"},
        check=False,
        capture_output=True,
        text=True,
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1
    assert [line["level"] for line in lines] == ["warning", "critical", "critical", "critical"]
    kinds = ["ZeroDivisionError", "KeyError", "OSError"]
    assert [line["message"] for line in lines[1:]] == [f"an error that nothing caught: {kind}" for kind in kinds]
    assert "at the end" in lines[-1]["traceback"]
