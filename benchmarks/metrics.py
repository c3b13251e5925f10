"""What counting costs: its processor time for a request, against what the web processes use for one in all."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.load import Load, evaluation, require_wrk
from benchmarks.portal import fill, free_port, new_key, serving
from benchmarks.request_profile import PATH, SERVICE, processor_time
from benchmarks.results import Result
from benchmarks.rounds import round_count
from benchmarks.sample import Sample

_REPEAT = 100_000
_ROUNDS = 9


def measure() -> list[Result]:
    """Measure everything of this part."""
    require_wrk()
    data = fill()
    bodies = [evaluation(name, SERVICE) for name, _service in Sample(data).names]
    with tempfile.TemporaryDirectory() as folder:
        load = Load(Path(folder), "single", PATH, bodies, key=new_key(data, SERVICE))
        with serving(data, WORKERS="2", METRICS_PORT=str(free_port())) as server:
            [request] = processor_time(load, [server])
        (Path(folder) / "metrics").mkdir()
        # In a process that shares its numbers with others, as web processes do.
        shared = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(Path(folder) / "metrics")}
        counted = subprocess.run(
            [sys.executable, "-m", "benchmarks.metrics"], env=shared, check=True, capture_output=True, text=True
        )
    each = [float(line) for line in counted.stdout.split()]
    shares = [100 * microseconds / request for microseconds in each]
    return [
        Result(
            "Counting, of the processor time of a single request",
            statistics.median(shares),
            "%",
            min(shares),
            max(shares),
            most=5,
        )
    ]


def _count() -> None:
    """Print the microseconds that it takes to count one request and its decision, once for each round."""
    from app.kernel.metrics import decided, requested
    from app.vocabulary import Reason

    for _ in range(round_count(_ROUNDS)):
        begun = time.thread_time()
        for _ in range(_REPEAT):
            decided[Reason.ALLOWED, "service"].inc()
            requested["authorize", 200].observe(0.0004)
        print((time.thread_time() - begun) / _REPEAT * 1e6)


if __name__ == "__main__":
    _count()
