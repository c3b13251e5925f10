"""What was measured: one line each, against what it should at least be; kept as JSON, shown as a table."""

import json
import os
import platform
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import plots

HERE = Path(__file__).resolve().parent
KEPT = HERE / "results.json"
TABLES = (HERE / "README.md", HERE.parent / "README.md")
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"


@dataclass(frozen=True)
class Result:
    """One figure. `least` and `most` bound what is good enough; None where nothing was promised.

    `bar` is its name in the plot of its part, if it stands there.
    """

    what: str
    value: float
    unit: str
    least: float | None = None
    most: float | None = None
    bar: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the figure is as good as it should be."""
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    def row(self) -> str:
        """Return the line of the table."""
        aim = f"at least {_shown(self.least)}" if self.least is not None else ""
        aim = f"at most {_shown(self.most)}" if self.most is not None else aim
        verdict = "" if self.least is None and self.most is None else "yes" if self.is_good else "**no**"
        return f"| {self.what} | {aim} | {_shown(self.value)} {self.unit} | {verdict} |"


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2f}"


def keep(part: str, results: list[Result], load_before: float) -> None:
    """Keep the results of one part with when and on what they were measured, and write the tables anew."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    kept[part] = {
        "measured_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "load_before": round(load_before, 2),
        "results": [asdict(result) for result in results],
    }
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    plots.draw(part, [(result.bar, result.value, result.unit) for result in results if result.bar])
    table = _table(kept)
    for path in TABLES:
        text = path.read_text()
        if BEGIN in text:
            path.write_text(re.sub(f"{BEGIN}.*{END}", f"{BEGIN}\n{table}{END}", text, flags=re.DOTALL))
    print("\n".join(result.row() for result in results))


def _table(kept: dict[str, dict[str, object]]) -> str:
    lines = ["| what | wanted | measured | good |", "|---|---|---|---|"]
    shapes = []
    for part, measured in kept.items():
        lines += [Result(**result).row() for result in measured["results"]]  # type: ignore[attr-defined]
        shapes.append(
            f"{part} on {measured['measured_at']}, {measured['cores']} shared cores ({measured['machine']}),"
            f" CPython {measured['python']}, load before {measured['load_before']}"
        )
    return "\n".join(lines) + f"\n\nMeasured: {'; '.join(shapes)}.\n"
