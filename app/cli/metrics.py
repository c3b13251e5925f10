"""`tessera metrics`: the numbers of all processes of `tessera serve`, for Prometheus."""

import os
import re
import signal
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import click
from peewee import PeeweeException
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from app.cli.base import own_database
from app.kernel import clock
from app.kernel.database import connected
from app.kernel.metrics import FOLDER
from app.mail.queries import waiting_since
from app.server.processes import end_with

_SIGNAL_SECONDS = 0.5
_TRIES = 10
_RETRY_SECONDS = 0.05
_PROCESS = re.compile(r"gauge_live.*_(\d+)\.db")


@click.command(hidden=True)
@click.option("--parent", type=int, required=True, help="The process that this one must not outlive.")
def metrics(parent: int) -> None:
    """Answer at METRICS_HOST and METRICS_PORT until stopped. `tessera serve` runs one if there is a port."""
    end_with(parent)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: threading.Thread(target=stop.set).start())
    with own_database() as settings:
        pass
    server, thread = start_http_server(settings.metrics_port, settings.metrics_host, _registry())
    # The system may hand a signal to another thread. Python sees to it in this one, which has to wake for that.
    while not stop.wait(_SIGNAL_SECONDS):
        pass
    server.shutdown()
    thread.join()


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Processes(Path(os.environ[FOLDER])))
    registry.register(_Queue())
    return registry


class _Processes(Collector):
    """What the processes have written down. Nothing says when one is killed, so that is looked for first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # It registers itself, and is asked through this one all the same.
        self._all = MultiProcessCollector(CollectorRegistry(), str(folder))  # type: ignore[no-untyped-call]

    def collect(self) -> Iterator[Metric]:
        """Yield the sums over all processes; gauges over those that live.

        A process that begins makes its files while they are read here, and another reader may take away those of one
        that has ended: what cannot be read is read again a few times, and then raises.
        """
        for tries_left in reversed(range(_TRIES)):
            try:
                yield from self._read()
                return
            except (OSError, ValueError, struct.error):
                if not tries_left:
                    raise
                sleep(_RETRY_SECONDS)

    def _read(self) -> list[Metric]:
        present = {int(found[1]) for path in self._folder.iterdir() if (found := _PROCESS.fullmatch(path.name))}
        for process in present:
            if not Path(f"/proc/{process}").exists():
                mark_process_dead(process, str(self._folder))  # type: ignore[no-untyped-call]
        return list(self._all.collect())  # type: ignore[no-untyped-call]


class _Queue(Collector):
    """What the database knows better than any process: the mail that waits, and whether it answers."""

    def collect(self) -> Iterator[Metric]:
        """Yield what one query says."""
        up = GaugeMetricFamily("tessera_database_up", "Whether the database answers.")
        try:
            with connected():
                waiting, oldest = waiting_since()
        except PeeweeException:
            up.add_metric([], 0)
        else:
            up.add_metric([], 1)
            age = 0.0 if oldest is None else max(0.0, (clock.now() - oldest).total_seconds())
            yield GaugeMetricFamily("tessera_mail_pending", "Mails that wait.", waiting)
            yield GaugeMetricFamily("tessera_mail_oldest_seconds", "How long the oldest of them has waited.", age)
        yield up
