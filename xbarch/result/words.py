"""Correctness, accuracy and what binds a run, in words: the same on every screen and page."""

from __future__ import annotations

from collections.abc import Mapping

from xbarch.result.schema import Bound, Correctness, Measured, Record, Workload
from xbarch.support import numbers
from xbarch.workload.measures import BUNDLED, TOP_ONE

PHASES = {  # of stored accuracies, in the order of a workload's making
    "float": "as imported", "start": "as started from", "baseline": "dense baseline", "cut": "after pruning",
    "pruning": "after fine-tuning",
    "adaptation": "after adaptation", "devices": "on the devices of its adaptation",
    "imported": "after quantization", "crossbars": "on its recipe's crossbars"}
HERE = "on this machine"
NOISE = "noise on: exactness is of the ideal machine"
CROSSBARS, WAITING, NONE = "crossbars", "waiting", "–"  # what binds a run, beside kinds of servers


def exactness(found: Correctness | None) -> str:
    """*exact*, or what is lost, in a few words; empty where a record does not know."""
    if found is None:
        return ""
    text = _ideally(found)
    return f"{text} ({NOISE})" if found.noise else text


def _ideally(found: Correctness) -> str:
    """Exactness of ideal cells and converters."""
    if found.exact:
        return "exact" if found.proof == "bound" else "exact on the stored activations"
    lost = []
    if found.drops_low_bits:
        lost.append("drops low bits by design")
    if found.clipped_share:
        lost.append(f"clips {share(found.clipped_share)} of conversions")
    if found.proof == "none":
        lost.append("may clip: no stored activations" if not found.drops_low_bits else "how much is not known")
    return ", ".join(lost)


def correctness(found: Correctness | None) -> str:
    """The line of a run: exactness, and the converter bits that its layers need."""
    text = exactness(found)
    if found is None or not found.layers:
        return text
    built, needed = (max(bits) for bits in zip(*((la.adc_bits_built, la.adc_bits_needed) for la in found.layers),
                                               strict=True))
    seen = [la.adc_bits_seen for la in found.layers if la.adc_bits_seen is not None]
    has = f"{text}: {built}-bit converters, sums need up to {needed}"
    return has if not seen or found.drops_low_bits else f"{has} ({max(seen)} seen)"


def accuracy(r: Record) -> str:
    """The line of a run: on this machine with its interval, then what is stored, all with n."""
    here = [measured(r.accuracy.on_this_machine)] if r.accuracy and r.accuracy.on_this_machine else []
    counts, groups = r.workload.tested, dict[int | None, list[str]]()
    for phase, label in _known(r.workload.accuracy):
        text = value(r.workload.accuracy[phase], r.workload.measure)
        groups.setdefault(counts.get(phase), []).append(f"{label} {text}")
    said = "; ".join([*here, *(", ".join(said) + _of(count) for count, said in groups.items())])
    return f"{named(r.workload.measure)}: {said}" if said and r.workload.measure != "top1" else said


def value(found: float, measure: str) -> str:
    """A value of a measure."""
    known = BUNDLED.get(measure)
    return f"{found:.4g}" if known is None else known.text(found)


def named(measure: str) -> str:
    """What a measure is called; a function of a user's own by its name."""
    known = BUNDLED.get(measure)
    return measure.rpartition(":")[2] if known is None else known.label


def worth(found: float, measure: str) -> str:
    """A value with the name of its measure, where that is not the share of right classes."""
    return value(found, measure) if measure == TOP_ONE.name else f"{named(measure)} {value(found, measure)}"


def measured(found: Measured) -> str:
    """Accuracy on this machine with n and its interval, beside the integer network's."""
    mean, low, high, integers = (value(each, found.measure) for each in (
        found.value, *found.interval_95, found.integer_network))
    return f"{HERE} {mean} ({low} to {high}, n = {numbers.number(found.images)}; integer network {integers})"


def phase(name: str, stored: Workload) -> str:
    """A stored accuracy in the field's words, with its n where that is known."""
    return f"{PHASES.get(name, name)} {value(stored.accuracy[name], stored.measure)}{_of(stored.tested.get(name))}"


def bound(found: Bound | None) -> str:
    """What binds a run: crossbars, a kind of server, waiting; a dash where that is not known."""
    return NONE if found is None else found.by


def sides(before: str, after: str) -> str:
    """What binds the two runs behind a speed-up."""
    return f"bound by {before} / {after}"


def of_method(before: str, after: str) -> bool:
    """Whether a speed-up says something about a method: crossbars bind both runs."""
    return before == after == CROSSBARS


def share(value: float) -> str:
    """A share in per cent; never 0 where it is not."""
    return f"{value:.1%}" if not 0 < value < 0.001 else f"{100 * value:.1g}%" if value >= 1e-5 else "under 0.001%"


def _known(stored: Mapping[str, float]) -> list[tuple[str, str]]:
    """Stored phases in the order of their making, with their words."""
    return [(name, PHASES.get(name, name)) for name in dict.fromkeys((*PHASES, *stored)) if name in stored]


def _of(count: int | None) -> str:
    return "" if count is None else f" (n = {numbers.number(count)})"
