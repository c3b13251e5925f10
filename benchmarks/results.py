"""Results: one figure a line, against the target that was set for it; stored as JSON and shown as tables."""

import json
import os
import platform
import re
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import plots

HERE = Path(__file__).resolve().parent
STORE = HERE / "results.json"
TABLES = (HERE / "README.md", HERE.parent / "README.md")
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"


@dataclass(frozen=True)
class Result:
    """One figure in `unit`, with the lowest and the highest of its rounds where each round has one.

    `least` and `most` are the targets; None where none was set. `bar` is its name in the plot of its part, if it is in
    it. `missing` says why there is no figure.
    """

    what: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    least: float | None = None
    most: float | None = None
    bar: str = ""
    missing: str = ""

    @property
    def meets_target(self) -> bool:
        """Whether the figure is as good as its target."""
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    def row(self) -> str:
        """Return the row of the table."""
        target = f"at least {_number(self.least)}" if self.least is not None else ""
        target = f"at most {_number(self.most)}" if self.most is not None else target
        if self.missing:
            return f"| {self.what} | {target} | not measured: {self.missing} | |"
        measured = f"{_number(self.value)} {self.unit}".strip()
        if self.low is not None and self.high is not None:
            measured += f" ({_number(self.low)} to {_number(self.high)})"
        verdict = ("yes" if self.meets_target else "**no**") if target else ""
        return f"| {self.what} | {target} | {measured} | {verdict} |"


def median(what: str, values: Sequence[float], unit: str, **more: Any) -> Result:
    """Return the median of `values`, one for each round, as a result with their range."""
    return Result(what, statistics.median(values), unit, min(values), max(values), **more)


def ratio(what: str, numerators: Sequence[float], denominators: Sequence[float], **more: Any) -> Result:
    """Return the median of the ratios of each round as a result with their range."""
    ratios = [one / other for one, other in zip(numerators, denominators, strict=True)]
    return median(what, ratios, "times", **more)


def write(part: str, results: list[Result], busy_before: float) -> None:
    """Store the results of one part, with when and on what they were measured, and write plot and tables anew."""
    parts = json.loads(STORE.read_text()) if STORE.exists() else {}
    parts[part] = {
        "measured_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "busy_before": round(busy_before, 2),
        "results": [asdict(result) for result in results],
    }
    STORE.write_text(json.dumps(parts, indent=1) + "\n")
    plots.draw(part, [(result.bar, result.value, result.unit) for result in results if result.bar])
    table = _table(parts)
    for path in TABLES:
        text = path.read_text()
        if BEGIN in text:
            path.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{table}{END}", text, flags=re.DOTALL))


def _table(parts: dict[str, dict[str, Any]]) -> str:
    lines = ["| what | wanted | measured | good |", "|---|---|---|---|"]
    conditions = []
    for part, measured in parts.items():
        lines += [Result(**result).row() for result in measured["results"]]
        conditions.append(
            f"{part} on {measured['measured_at']}, {measured['cores']} shared cores ({measured['machine']}),"
            f" CPython {measured['python']}, processors {measured['busy_before']:.0%} busy before"
        )
    return "\n".join(lines) + f"\n\nMeasured: {'; '.join(conditions)}.\n"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2f}"
