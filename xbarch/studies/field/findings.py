"""What the field report says, as sentences in which every name and number is computed: to an architect, and to someone
who prunes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from math import inf, isfinite

from xbarch.result import words
from xbarch.result.summary import speed
from xbarch.studies.accuracy.pages import format_reach
from xbarch.studies.accuracy.rows import Reach, reach
from xbarch.studies.accuracy.seeds import orders
from xbarch.studies.comparison import pages as study
from xbarch.studies.comparison.lines import DENSE
from xbarch.studies.comparison.rows import Figures, Row
from xbarch.studies.field.evidence import IDEAL
from xbarch.studies.field.rows import BUDGET, LOSSES, NETWORK, Field, Method
from xbarch.support import numbers
from xbarch.support.defaults import Scope
from xbarch.support.ranks import spearman

TINY = 1.02  # smaller gains count as none
LAST = len(LOSSES) - 1
ERRORS = (("cells_10pct", "cells that are programmed with an error of 10 %"), ("cells_20pct", "an error of 20 %"),
          ("stuck_1pct", "1 % of the cells stuck"), ("converters_half_lsb", "converters with half a step of noise"))
_FAR = 0.9  # of the accuracy without errors


def architect(found: Field) -> list[str]:
    """Return what saves energy and time, on which machines, and what turned around when conditions were made equal."""
    return [*_best(found), *_no_saving(found), *_machines(found), *_cells(found), *_large(found), *_periphery(found),
            *_devices(found)]


def pruner(found: Field) -> list[str]:
    """Return which methods keep how few weights at which loss, what that is worth, and what errors do to it."""
    return [*_ratios(found), *_seeds(found), *_worth(found), *_losing(found)]


def sentences(found: Field) -> list[str]:
    """Return all findings."""
    return [*architect(found), *pruner(found)]


def far(method: Method, place: int) -> float:
    """Return the ratio that a method reaches at a loss; of one beyond what was trained, the highest trained."""
    reached = method.reaches[place]
    return reached.ratio if isfinite(reached.ratio) else reached.most


def loss_of(place: int) -> str:
    """Return a loss of `LOSSES`, as text."""
    return numbers.count(round(100 * LOSSES[place]), "point")


def times(value: float | None) -> str:
    """Format a gain."""
    return "–" if value is None else f"{value:.3g}×"


def points(share: float) -> str:
    """Format a share in points, without a sign."""
    return numbers.typeset(f"{100 * share:.1f}")


def _list(names: Iterable[str]) -> str:
    found = list(names)
    return " and ".join(filter(None, [", ".join(found[:-1]), *found[-1:]])) or "none"


def _ran(found: Field, place: int) -> list[tuple[Method, Row, Figures]]:
    """Return the methods with a point within the loss that ran."""
    return [(m, r, r.figures) for m in found.methods if (r := m.runs[place]) is not None and r.figures is not None]


# -- energy and speed ---------------------------------------------------------------------------------------------

_BEST: tuple[tuple[str, Callable[[Figures, Scope], float], Callable[[Figures, Scope], str], str], ...] = (
    ("least energy per image (scope {scope}), and saving over dense", lambda f, scope: f.energy[scope],
     lambda f, scope: numbers.energy(f.energy[scope]), "energy"),
    ("most images per second, and speed-up over dense (bound by: dense / method)",
     lambda f, scope: -(f.images_per_second or 0), lambda f, scope: speed(f.images_per_second), "speed"),
)


def _best(found: Field) -> list[str]:
    made, scope = [], found.asked.scope
    for place in range(len(LOSSES)):
        for text, figure, shown, what in _BEST:
            best = sorted(_ran(found, place), key=lambda each: figure(each[2], scope))[:4]
            if best:
                told = ", ".join(f"{m.title} {shown(f, scope)}, "
                                 f"{study.speed_cell(r) if what == 'speed' else times(r.gain(what))}"
                                 for m, r, f in best)
                made.append(f"At a loss of at most {loss_of(place)} and under `{BUDGET}`, {text.format(scope=scope)}: "
                            f"{told}.")
    return made


def _no_saving(found: Field) -> list[str]:
    lost = [m.title for m, r, _ in _ran(found, LAST) if (r.gain("energy") or inf) < TINY]
    return [f"At a loss of at most {loss_of(LAST)}, these save no energy (scope {found.asked.scope}) over the dense "
            f"network: {', '.join(lost)}."] if lost else []


def _machines(found: Field) -> list[str]:
    """Say what a method's own machine costs: its saving over the dense network there, and over that of the base."""
    base = found.asked.architectures[0]
    other = [(m, r) for m, r, _ in _ran(found, LAST) if r.architecture != base and r.gain("energy", "own")]
    if not other:
        return []
    told = ", ".join(f"{m.title} on `{r.architecture}` {times(r.gain('energy', 'own'))} and {times(r.gain('energy'))}"
                     for m, r in sorted(other, key=lambda each: -(each[1].gain("energy") or 0)))
    turned = [m.title for m, r in other if (r.gain("energy", "own") or 0) >= TINY > (r.gain("energy") or 0)]
    return ["The base decides. Energy savings of methods that read operation units, over the dense network on their "
            f"machine and over that on `{base}`: {told}."
            + (f" What {_list(turned)} {'saves' if len(turned) == 1 else 'save'} over the first is less than what "
               "reading a few rows at a time costs over the second." if turned else "")]


def _cells(found: Field) -> list[str]:
    """Say which methods pay for smaller converters with cells."""
    wide = [(m, r) for m, r, _ in _ran(found, LAST) if (r.gain("crossbars") or 1) < 1 / TINY]
    told = ", ".join(f"{m.title} {times(r.gain('crossbars'))} of crossbars, {times(r.gain('energy'))} of energy "
                     f"({times(r.gain('energy', 'own'))} over a dense network on the same cells)" for m, r in wide)
    return [f"Converters of fewer bits are bought with cells: savings over the dense network are {told}."] if wide \
        else []


def _large(found: Field) -> list[str]:
    """Return what the large network gained; a range of speed-ups is said of the methods only where crossbars bind."""
    ran = [r for r in found.large if r.figures and r.policy == found.asked.policies[-1] and r.datapath != DENSE]
    if not ran:
        return []
    own = [r for r in ran if (sides := r.sides()) and words.of_method(*sides)]

    def span(rows: Sequence[Row], what: str) -> str:
        values = [r.gain(what) or 0 for r in rows]
        return f"from {times(min(values))} to {times(max(values))}"

    ratios = [r.figures.ratio for r in ran if r.figures]
    said = (f"On VGG-16, at compression ratios of {min(ratios):.3g} to {max(ratios):.3g} and under "
            f"`{found.asked.policies[-1]}`, energy savings (scope {found.asked.scope}) over the dense network with the "
            f"same bits range {span(ran, 'energy')}: the compression ratio alone says little about a crossbar machine.")
    fast = (f"Crossbars bind {len(own)} of these {len(ran)} runs and their dense ones; their speed-ups range "
            f"{span(own, 'speed')}." if own else
            "Crossbars bind none of these runs together with its dense one, so no speed-up among them is a method's.")
    return [said, fast]


# -- what turned around -------------------------------------------------------------------------------------------

def _periphery(found: Field) -> list[str]:
    """Say what balancing the periphery did to speed-ups."""
    published, balanced = (found.evidence.speeds.get(name, {}) for name in ("published", "balanced"))
    both = [name for name in published if name in balanced]
    if len(both) < 3:
        return []
    before, after = ([side[name].gain for name in both] for side in (published, balanced))
    bound = sum(words.of_method(*published[name].bound_by) for name in both)
    own = sum(words.of_method(*balanced[name].bound_by) for name in both)
    turned = sum((a > 1) != (b > 1) for a, b in zip(before, after, strict=True))
    rank = numbers.signed(spearman(before, after))
    return ["The periphery decides speed. On VGG-16 with ISAAC's published periphery crossbars bind "
            f"{bound} of {len(both)} pairs of a method's run and the dense one, with {sum(v > 1 for v in before)} "
            f"of the methods faster than dense; balanced, crossbars bind {own}, with {sum(v > 1 for v in after)} "
            f"faster ({turned} change sides). The rank correlation of the speed-ups between the two is {rank}, so a "
            "ranking by speed on one machine is no ranking of methods."]


def _devices(found: Field) -> list[str]:
    """Say what errors of cells and converters do to the order of the methods."""
    seen = found.evidence
    told = []
    for errors, text in ERRORS:
        rank, most = seen.order(errors), _robust(found, errors)
        if rank is not None and most:
            told.append(f"{text}: rank correlation with the order without errors {numbers.signed(rank)}, most "
                        f"accurate {most[0]}, least {most[1]}")
    return [f"Devices decide accuracy. Of {len(seen.accuracy)} networks, with {'; with '.join(told)}."] if told else []


def _robust(found: Field, errors: str) -> tuple[str, str] | None:
    """Return the most and the least accurate network under these errors."""
    at = {name: own[errors] for name, own in found.evidence.accuracy.items() if errors in own}
    return (_spoken(found, max(at, key=at.__getitem__)), _spoken(found, min(at, key=at.__getitem__))) if at else None


def _spoken(found: Field, name: str) -> str:
    return "the dense network" if name == DENSE else next((m.title for m in found.methods if m.name == name), name)


# -- ratios -------------------------------------------------------------------------------------------------------

def _ratios(found: Field) -> list[str]:
    made = []
    for place in range(len(LOSSES)):
        order = sorted(found.methods, key=lambda m: -far(m, place))
        made.append(f"At a loss of {loss_of(place)} on {NETWORK}, the highest compression ratios are " + ", ".join(
            f"{m.title} {format_reach(m.reaches[place])}" for m in order[:4]) + "; the lowest are "
            + ", ".join(f"{m.title} {format_reach(m.reaches[place])}" for m in order[-2:]) + ".")
    return made


def _seeds(found: Field) -> list[str]:
    """Say how far seeds and other data bear out the order."""
    if not found.seeds:
        return []
    reached: dict[str, Reach] = {}
    for name in dict.fromkeys(r.method for r in found.seeds if not r.longer):
        own = [r.measured for r in found.seeds if r.method == name and r.measured is not None]
        reached[name] = reach(own, LOSSES[LAST], lambda m: m.ratio)
    pairs = list(combinations(reached.values(), 2))
    apart = sum(a.high < b.low or b.high < a.low for a, b in pairs)
    most = max(r.seeds for r in found.seeds)
    said = (f"On MNIST with 2 to {most} seeds a point, the 95 % intervals of the ratio at {loss_of(LAST)} lost lie "
            f"apart for {apart} of {len(pairs)} pairs of methods: the order of the others is not established.")
    ratio = [o for o in orders(found.seeds, found.points) if o.what.startswith("compression ratio")]
    if ratio:
        told = ", ".join(f"{numbers.signed(o.tau)} at {o.what.removeprefix('compression ratio at ')} "
                         f"({len(o.methods)} methods)" for o in ratio)
        said += f" Kendall's τ between the orders by ratio there and on {NETWORK} with one seed: {told}."
    return [said]


def _worth(found: Field) -> list[str]:
    """Say what a ratio is worth in energy."""
    ran = [(m, r, f) for m, r, f in _ran(found, LAST) if r.gain("energy")]
    if len(ran) < 3:
        return []
    ratios, gains = ([f.ratio for *_, f in ran], [r.gain("energy") or 0 for _, r, _ in ran])
    free = [f"{m.title} ({times(f.ratio)})" for m, r, f in ran
            if f.ratio >= 2 and (r.gain("energy") or 0) < TINY and (r.gain("crossbars") or 0) < TINY]
    sign = numbers.signed(spearman(ratios, gains)) \
        if len(set(ratios)) > 1 and len(set(gains)) > 1 else "undefined"
    return [f"A ratio is not a saving: over the {len(ran)} networks within {loss_of(LAST)} of loss, the rank "
            f"correlation between compression ratio and energy saving is {sign}."
            + (f" At least half of the weights go, and neither crossbars nor energy, in: {', '.join(free)}."
               if free else "")]


def _losing(found: Field) -> list[str]:
    """Say which networks bear errors."""
    made = []
    for errors, text in ERRORS:
        lost = {name: loss for name in found.evidence.accuracy
                if (loss := found.evidence.lost(name, errors)) is not None}
        kept = [name for name, loss in lost.items() if loss <= (1 - _FAR) * found.evidence.accuracy[name][IDEAL]]
        if lost:
            told = sorted(lost, key=lost.__getitem__)
            made.append(f"With {text}, {len(kept)} of {len(lost)} networks keep {_FAR:.0%} of their accuracy; least is "
                        + f"lost by {_spoken(found, told[0])} ({points(lost[told[0]])} points), most by "
                        f"{_spoken(found, told[-1])} ({points(lost[told[-1]])} points).")
    return made
