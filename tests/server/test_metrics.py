"""What Prometheus reads of a portal of several processes, some of which were killed."""

import os
import signal
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.machine import Machine, free_port, workers
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.one_database]


def read(port: int) -> dict[str, float]:
    """Return the sum of each metric over all labels."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def test_numbers_are_those_of_all_processes_the_killed_ones_included(machine: Machine) -> None:
    port = free_port()
    portal = machine.start("serve", METRICS_PORT=str(port))
    until(machine.answers)
    until(lambda: len(workers(portal.pid)) == 2)
    for asked in (20, 40):
        for _ in range(20):
            machine.allows("thomas-reed")
        found = read(port)
        assert found["tessera_decisions_total"] == asked
        assert found["tessera_request_seconds_count"] >= asked
        first = min(workers(portal.pid))
        os.kill(first, signal.SIGKILL)
        until(lambda first=first: len(workers(portal.pid) - {first}) == 2)
        until(machine.answers)
    found = read(port)
    assert found["tessera_decisions_total"] == 40
    # What the killed ones were the last to say of themselves does not count.
    until(lambda: 1 <= read(port)["tessera_people"] <= 2)
    assert found["tessera_policy_info"] == 1
    assert found["tessera_database_up"] == 1
    assert found["tessera_mail_pending"] == 0
