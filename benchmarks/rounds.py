"""Rounds: contenders are measured in turn, so that whatever slows the machine down slows all of them down."""

import os
from collections.abc import Callable, Mapping

IS_TRIAL = "ROUNDS" in os.environ or "ROUND_SECONDS" in os.environ
"""Whether this run is shortened, to see that everything works."""
ROUND_SECONDS = int(os.environ.get("ROUND_SECONDS", "4"))
"""How long each contender answers requests in one round."""


def round_count(usual: int) -> int:
    """Return how many rounds to measure: `usual`, or as many as the environment variable ROUNDS says."""
    return int(os.environ.get("ROUNDS", usual))


def measure_in_turn(contenders: Mapping[str, Callable[[], float]], usual: int) -> dict[str, list[float]]:
    """Return what each contender measured in each round. Every other round goes through them backwards."""
    measured: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(round_count(usual)):
        order = list(contenders.items())
        for name, measure in order if number % 2 == 0 else reversed(order):
            measured[name].append(measure())
    return measured
