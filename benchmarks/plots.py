"""Pictures of the results."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.curves import Curve
from benchmarks.growth import RECALL, Growth
from benchmarks.peers import OURS

SIZE = (7.0, 4.2)
COLOURS = ("#c1121f", "#003049", "#2a9d8f", "#8ab17d", "#e9a23b", "#8d6a9f")
MORE_COLOURS = (*COLOURS, "#ff7f51", "#4a90d9", "#7f7f7f", "#5c4033", "#e377c2", "#17becf")


def recall_against_rate(path: Path, name: str, curves: Sequence[Curve]) -> None:
    _, axes = plt.subplots(figsize=SIZE)
    for curve, colour in zip(curves, COLOURS, strict=False):
        recalls, rates = [p.recall for p in curve.points], [p.rate for p in curve.points]
        width = 2.4 if curve.contestant.name == OURS else 1.2
        axes.plot(recalls, rates, marker="o", markersize=3, linewidth=width, color=colour, label=curve.contestant.name)
    axes.set_xlim(left=0.8, right=1.0)
    visible = [p.rate for curve in curves for p in curve.points if p.recall >= 0.8]
    axes.set_ylim(min(visible) * 0.8, max(visible) * 1.2)
    _finish(axes, f"{name}: one query at a time, one thread", "recall@10", "queries a second")
    _write(path)


def best_of_each(path: Path, name: str, curves: Sequence[Curve]) -> None:
    """One colour a contestant: of several settings all lines are drawn."""
    _, axes = plt.subplots(figsize=(SIZE[0] * 1.2, SIZE[1] * 1.2))
    names = list(dict.fromkeys(curve.contestant.name for curve in curves))
    for curve in curves:
        own = curve.contestant.name
        place = names.index(own)
        recalls, rates = [p.recall for p in curve.points], [p.rate for p in curve.points]
        colour, width = MORE_COLOURS[place % len(MORE_COLOURS)], 2.4 if own.startswith(OURS) else 1.2
        label = own if curve is next(other for other in curves if other.contestant.name == own) else None
        if len(rates) == 1:  # exact: the same at any recall
            axes.axhline(rates[0], linewidth=width, color=colour, label=label, linestyle="--")
        else:
            axes.plot(recalls, rates, marker="o", markersize=3, linewidth=width, color=colour, label=label)
    axes.set_xlim(left=0.8, right=1.0)
    _finish(axes, f"{name}: one query at a time, one thread", "recall@10", "queries a second")
    axes.legend(fontsize="small")
    _write(path)


def build_times(path: Path, curves: Sequence[tuple[str, Sequence[Curve]]]) -> None:
    _, panels = plt.subplots(1, len(curves), figsize=(SIZE[0] * 1.4, 3.2), layout="constrained")
    for axes, (name, group) in zip(panels, curves, strict=True):
        labels = [f"{c.contestant.name}, {c.contestant.threads} thread{'s'[: c.contestant.threads - 1]}" for c in group]
        seconds = [min(curve.contestant.seconds) for curve in group]
        bars = axes.barh(labels[::-1], seconds[::-1], color=COLOURS[: len(group)][::-1])
        axes.bar_label(bars, fmt="%.1f", padding=2)
        axes.margins(x=0.15)
        axes.set_title(f"{name}: seconds to build")
    _write(path)


def growth(path: Path, result: Growth) -> None:
    _, axes = plt.subplots(figsize=SIZE)
    rates = [curve.rate_at(RECALL) for curve in result.curves]
    axes.plot(result.counts, rates, "o", color=COLOURS[0], label="measured")
    exponent = sorted(result.exponents())[len(result.exponents()) // 2]
    axes.plot(result.counts, result.fitted(), color=COLOURS[1], label=f"time grows as n^{exponent:.2f}")
    axes.set_xscale("log")
    _finish(axes, f"words-100: queries a second at recall {RECALL}", "vectors", "queries a second")
    _write(path)


def growth_of_each(path: Path, name: str, results: Mapping[str, Growth]) -> None:
    _, axes = plt.subplots(figsize=SIZE)
    for (kind, result), colour in zip(results.items(), COLOURS, strict=False):
        exponent = sorted(result.exponents())[len(result.exponents()) // 2]
        measured = [1e6 / curve.rate_at(RECALL) for curve in result.curves]
        axes.plot(result.counts, measured, "o", color=colour, label=kind)
        fitted = [1e6 / rate for rate in result.fitted()]
        axes.plot(result.counts, fitted, color=colour, label=f"grows as n^{exponent:.2f}")
    axes.set_xscale("log")
    _finish(axes, f"{name}: time of a query at recall {RECALL}", "vectors", "microseconds")
    _write(path)


def _finish(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_yscale("log")
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend()


def _write(path: Path) -> None:
    plt.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close()
