"""A plot for each part: what was measured side by side, as bars."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks import peers

_HERE = Path(__file__).resolve().parent
_LOGARITHMIC_FROM = 30
"""From this ratio on, bars of one plot can be compared on a logarithmic axis only."""
_OURS, _OTHERS = "#0b5cad", "#8a94a0"


def draw(part: str, bars: Sequence[tuple[str, float, str]]) -> None:
    """Draw `bars` (name, value, unit; all of one unit) into `<part>.svg`. The bars of Tessera stand out."""
    if not bars:
        return
    peers.install_python_peers()
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    # The same figures make the same file.
    mpl.rcParams["svg.hashsalt"] = part
    names, values, units = zip(*bars, strict=True)
    figure, axes = plt.subplots(figsize=(8, 0.6 + 0.5 * len(bars)))
    drawn = axes.barh(names, values, color=[_OURS if name.startswith("Tessera") else _OTHERS for name in names])
    if max(values) > _LOGARITHMIC_FROM * min(values):
        axes.set_xscale("log")
    axes.bar_label(drawn, [f"{value:,.0f}" if value >= 100 else f"{value:.2g}" for value in values], padding=4)
    axes.margins(x=0.15)
    axes.set_xlabel(units[0])
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(_HERE / f"{part}.svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
