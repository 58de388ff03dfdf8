"""The report's section on equal loss, and its CSV table."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from xbarch.render.document import Section, Table
from xbarch.studies.accuracy.pages import format_reach
from xbarch.studies.accuracy.rows import method_title
from xbarch.studies.accuracy.seeds import lost
from xbarch.studies.claims.equal import GRIDS, TRAINED, At, Equal, Gain, Quotient
from xbarch.studies.claims.figures import number
from xbarch.support import numbers
from xbarch.support.sheet import sheet

FILE = "equal_loss.csv"
_NONE = "–"
_INTRODUCTION = (
    "Between the trained points of a method its curve is a straight line over the logarithm of the compression ratio; "
    "the ratio at a loss is where the curve falls below it, in brackets where the ends of the 95 % intervals do. On "
    "`digit_pairs` an interval covers the 10,000 test images of one seed, on `seeds` (MNIST) images and seeds. "
    "*Beyond* is beyond the trained ratios.")
_QUOTIENTS = (
    "The abstracts' best cases are at unequal loss. The brackets divide the lower end of one interval by the upper end "
    "of the other and the other way round, so they are wider than 95 % intervals. Where 1 lies in them, these data do "
    "not say which of the two methods keeps fewer weights.")
_GAINS = (
    f"A network of each method was trained at the density at which its curve loses so much (grid `{TRAINED}`: its "
    "density lies between those of the two nearest points, everything else is the nearer one's). *Its loss* is what it "
    "lost in turn, over the seeds. Gains are those of the first seed's network over the dense one that trained as "
    "long, on ISAAC's machine (FORMS on `forms_like`) with crossbars of 32 × 32, since the network is an eighth as "
    "wide as the published one: energy per image (scope compute, policy `fit`), crossbars of one copy, speed (policy "
    "`crossbars:2`, balanced periphery) with what binds the dense and the pruned run.")


def sections(found: Equal) -> list[Section]:
    """Return ratios, quotients and gains at equal loss; nothing where no grid is stored."""
    if not found.ratios:
        return []
    made = [Section("At equal loss", 2, [_INTRODUCTION], table=_ratios(found.ratios))]
    if found.quotients:
        made.append(Section("SegPrune's ratio over others' at equal loss", 3, [_QUOTIENTS],
                            table=_quotients(found.quotients)))
    if found.gains:
        made.append(Section("Hardware at equal loss", 3, [_GAINS], table=_gains(found.gains)))
    return made


def table(found: Equal) -> str:
    """Return the CSV table: a line for each ratio, quotient and gain."""
    heads = ["what", "method", "over", "loss", "grid", "ratio", "low", "high", "published", "seeds", "change",
             "change_low", "change_high", "energy", "crossbars", "speed", "bound_by"]
    lines: list[list[object]] = [
        ["ratio", a.method, "", a.loss, a.grid, *map(_finite, (a.reach.ratio, a.reach.low, a.reach.high)), *[""] * 9]
        for a in found.ratios]
    lines += [["quotient", q.method, q.over, q.loss, q.grid, q.ratio, *map(_finite, (q.low, q.high)), q.published,
               *[""] * 8] for q in found.quotients]
    lines += [["gain", g.method, "dense", g.loss, TRAINED, g.measured.ratio, "", "", "", g.seeds, g.measured.change,
               g.measured.change_low, g.measured.change_high, g.energy, g.crossbars, g.speed, g.bound_by]
              for g in found.gains]
    return sheet(heads, lines)


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def _ratios(found: Sequence[At]) -> Table:
    places = list(dict.fromkeys((grid, a.loss) for grid in GRIDS for a in found if a.grid == grid))
    by_place = {(a.method, a.grid, a.loss): a.reach for a in found}
    return Table(["method", *(f"{grid}, {lost(loss)}" for grid, loss in places)], [
        [method_title(method), *(format_reach(r) if (r := by_place.get((method, *place))) else _NONE
                                 for place in places)]
        for method in dict.fromkeys(a.method for a in found)], 1)


def _quotients(found: Sequence[Quotient]) -> Table:
    return Table(["ratio of", "over", "data", "loss", "at equal loss", "published, at unequal loss"], [
        [method_title(q.method), method_title(q.over), q.grid, lost(q.loss), _quotient(q), f"{number(q.published)}×"]
        for q in found], 4)


def _quotient(q: Quotient) -> str:
    """Return a quotient with its bounds: "0.82× [0.38, 1.93]"."""
    ratio = f"{number(q.ratio)}×" if q.ratio is not None else _NONE
    low = number(q.low) if q.low else "no bound"
    return f"{ratio} [{low}, {number(q.high) if isfinite(q.high) else 'no bound'}]"


def _gains(found: Sequence[Gain]) -> Table:
    return Table(["method", "loss asked for", "its loss, points", "seeds", "compression ratio", "crossbar saving",
                  "energy saving", "speed-up (bound by: dense / this)"], [
        [method_title(g.method), lost(g.loss), _change(g), str(g.seeds), f"{number(g.measured.ratio)}×",
         f"{number(g.crossbars)}×", f"{number(g.energy)}×", _speed(g)] for g in found], 2)


def _speed(g: Gain) -> str:
    return "one copy takes more" if g.speed is None else f"{number(g.speed)}× ({g.bound_by})"


def _change(g: Gain) -> str:
    """Return the loss with its interval: "1.80 [0.92, 2.68]"."""
    m = g.measured
    loss, low, high = (numbers.typeset(f"{-100 * v + 0:.2f}") for v in (m.change, m.change_high, m.change_low))
    return f"{loss} [{low}, {high}]"
