"""Saved results side by side: the same figures of each, and what each gains over the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xbarch.result import words
from xbarch.result.summary import weights
from xbarch.result.words import share
from xbarch.support import numbers
from xbarch.support.defaults import SCOPE, Scope
from xbarch.workload.measures import TOP_ONE

if TYPE_CHECKING:
    from xbarch.result.result import Result


@dataclass(frozen=True)
class Figure:
    """A line of a comparison."""

    key: str
    """Dotted path in `result.json`."""
    label: str
    large: bool
    """Whether more is better."""
    text: Callable[[float], str] = numbers.number
    gains: bool = True
    """Whether the ratio of two values means anything."""
    none: str = "not known"
    """What stands for no value."""

    def shown(self, value: float | None) -> str:
        return self.none if value is None else self.text(value)


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _accuracy(value: float) -> str:
    return f"{value:.2%}"


def figures(scope: Scope) -> list[Figure]:
    """The lines of a comparison, energies in one scope."""
    return [*_MAPPED, Figure(f"energy.scopes_aj.{scope}", f"energy per image (scope {scope})", False, numbers.energy),
            Figure("area.used_mm2", "area used (mm²)", False),
            Figure(f"dense_equivalent.tops_per_w_by_scope.{scope}", f"dense-equivalent TOPS/W (scope {scope})", True),
            *_USED]


_INTERVAL, _RATE = "latency.pipeline_interval_ps", "throughput.images_per_second"
_ACCURACY = "accuracy.on_this_machine.value"
_MAPPED = [
    Figure("mapping.one_copy_crossbars", "crossbars, one copy", False),
    Figure("mapping.window_weighted_ps", "crossbar time per image (bound)", False, numbers.time),
    Figure("mapping.budget", "crossbars granted", False),
    Figure("mapping.crossbars", "crossbars used", False),
    Figure("mapping.tiles", "tiles used", False),
    Figure(_RATE, "images/s", True, none="– (one image)"),
    Figure(_INTERVAL, "pipeline interval", False, numbers.time),
    Figure("latency.first_image_ps", "first image", False, numbers.time),
]
_USED = [
    Figure("correctness.clipped_share", "conversions clipped", False, share, False),
    Figure(_ACCURACY, "accuracy on this machine", True, _accuracy, False),
    Figure("utilization.cells", "cells utilized", True, _percent, False),
    Figure("utilization.crossbar_time", "crossbar time utilized", True, _percent, False),
    Figure("utilization.adc_time", "ADC time utilized", True, _percent, False),
]


LATER = ("correctness.clipped_share", _ACCURACY)  # older records have none


@dataclass(frozen=True)
class Line:
    """One figure of every result."""

    figure: Figure
    values: list[float | None]
    """One per result."""
    gains: list[float | None]
    """Over the first result, one for every other; above 1 is better, None where a ratio has no meaning. A value that
    should be large is divided by the first, one that should be small divides it."""
    kinds: list[str]
    """What each value is, or what binds it, where that differs from result to result; else empty."""

    def cells(self) -> list[str]:
        """Label, first value, then value and gain of every other."""
        first, *others = (f"{self.figure.shown(value)}{f' ({kind})' if kind else ''}"
                          for value, kind in zip(self.values, self.kinds, strict=True))
        cells = [self.figure.label, first]
        for value, gain in zip(others, self.gains, strict=True):
            cells += [value, "" if gain is None else f"{gain:.3g}×"]
        return cells


def comparison(results: Sequence[Result], scope: Scope = SCOPE) -> list[Line]:
    """Every figure of `figures` for all results, with gains over the first."""
    lines = []
    for figure in figures(scope):
        if figure.key == _ACCURACY and not all(map(_is_share, results)):
            figure = replace(figure, text=lambda value: f"{value:.4g}")
        base, *others = values = [_value(r, figure.key) for r in results]
        if figure.key in LATER and all(value is None for value in values):
            continue
        gains: list[float | None] = []
        for other in others:
            top, bottom = (other, base) if figure.large else (base, other)
            gains.append(top / bottom if top is not None and bottom and figure.gains else None)
        lines.append(Line(figure, values, gains, [_kind(r, figure) for r in results]))
    return lines


def _is_share(result: Result) -> bool:
    """Whether its accuracy is a share, if it has one."""
    found = result.accuracy.on_this_machine if result.accuracy else None
    return found is None or found.share


def _kind(result: Result, figure: Figure) -> str:
    """What an interval is, what binds a rate, and what is measured where that is not the share of right classes."""
    if figure.key == _ACCURACY and result.accuracy is not None and result.accuracy.on_this_machine is not None:
        measure = result.accuracy.on_this_machine.measure
        return "" if measure == TOP_ONE.name else words.named(measure)
    if figure.key == _RATE and result.bound is not None:
        return f"bound by {result.bound.by}"
    return str(result.latency.pipeline_interval_kind or "") if figure.key == _INTERVAL else ""


def unequal(results: Sequence[Result]) -> list[str]:
    """A sentence if the results had other crossbars or tiles than the first, so that gains are not at equal resources;
    else none."""
    base = results[0].mapping
    told = [f"{words} {', '.join(numbers.number(getattr(r.mapping, name)) for r in results)}"
            for name, words in (("budget", "crossbars granted"), ("tiles", "tiles"))
            if any(getattr(r.mapping, name) != getattr(base, name) for r in results)]
    return [f"Resources differ: {' and '.join(told)}; gains are not at equal resources."] if told else []
def _value(result: Result, key: str) -> float | None:
    """A figure; None where it is not known."""
    if key in LATER and getattr(getattr(result, key.partition(".")[0]), key.split(".")[1], None) is None:
        return None
    value = result[key]
    return None if value is None else float(value)


def headings(results: Sequence[Result]) -> list[str]:
    """Over the columns of `Line.cells`."""
    first, *others = (f"{r.name} ({weights(r.record)})" for r in results)
    return ["", first, *(head for title in others for head in (title, "gain"))]
