"""A result in a few words: one line, one screen, one table for a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from xbarch.result import words
from xbarch.result.schema import DenseEquivalent, Effective, Record
from xbarch.support import numbers
from xbarch.support.defaults import PERIPHERY, PLACEMENT, SCOPE, SCOPES, Scope
from xbarch.support.pairs import with_options
from xbarch.support.wrapping import wrapped

COLUMNS = 80  # of the screen that the facts fill
_LINES, _LABEL = 24, 17
_LARGEST = 5  # components named
_WAITS = 3  # kinds of servers named
_FINAL = ("adaptation", "pruning", "imported", "baseline", "float")  # that stands for a workload: the first there is


def title(r: Record) -> str:
    """Workload, data path, architecture and what else tells the run from others."""
    placement, chips = r.interconnect.placement if r.interconnect else PLACEMENT, r.architecture.chips
    return " · ".join([
        r.workload.name, with_options(r.datapath.name, r.datapath.chosen), r.architecture.name,
        *r.architecture.overrides, r.policy,
        *([r.mode] if r.mode != "pipelined" else []),
        *([r.mapping.replication] if r.mapping.replication == "in_turn" else []),
        *([placement] if placement != PLACEMENT else []),
        *([periphery_kind(r)] if periphery_kind(r) != PERIPHERY else []),
        *([f"{chips} chips"] if chips > 1 else [])])


def line(result: Record, scope: Scope = SCOPE) -> str:
    """Name, images/s, energy per image, accuracy, and what the converters lose."""
    speed = f"{speed_text(result)} images/s" if result.throughput.images_per_second is not None \
        else f"{numbers.time(result.latency.first_image_ps)} for one image"
    return numbers.plain(f"{title(result)}: {speed}, {numbers.energy(result.energy.scopes_aj[scope])} per image "
                         f"(scope {scope}){_final(result)}{_lost(result)}")


def facts(result: Record, scope: Scope = SCOPE) -> list[tuple[str, str]]:
    """The main figures of a run as (what, value with unit): what ran, six figures, and what limits them."""
    r = result
    rest = ", ".join(f"{other} {numbers.energy(r.energy.scopes_aj[other])}" for other in SCOPES if other != scope)
    efficiency, dense = (part.tops_per_w_by_scope[scope] for part in (r.effective, r.dense_equivalent))
    return [
        ("workload", f"{r.workload.name} ({weights(r)}) by "
                     f"{numbers.path(r.datapath.name, r.datapath.provenance, r.datapath.chosen)}, "
                     f"{numbers.count(r.images, 'image')}, {r.mode}"),
        ("machine", f"{_architecture(r)}; {numbers.count(r.mapping.crossbars, 'crossbar')} on "
                    f"{numbers.count(r.mapping.tiles, 'tile')}, policy {r.policy} "
                    f"(one copy: {numbers.number(r.mapping.one_copy_crossbars)}, "
                    f"dense: {numbers.number(r.mapping.dense_crossbars)})"),
        ("images/s", f"{speed_text(r)} ({_sample(r)}); {interval_text(r)}"),
        ("first image", numbers.time(r.latency.first_image_ps)),
        ("energy per image", f"{numbers.energy(r.energy.scopes_aj[scope])} (scope {scope}; {rest})"),
        ("TOPS/W", f"{rate_text(efficiency)} effective, {rate_text(dense)} dense-equivalent (scope {scope})"),
        ("area", f"used {r.area.used_mm2:.4g} mm², chip {r.area.total_mm2:.4g} mm²"),
        ("utilization", f"cells {r.utilization.cells:.1%}, crossbar time {share(r.utilization.crossbar_time)}, "
                        f"ADC time {share(r.utilization.adc_time)}"),
        _bound(r), *_declined(r), *_periphery(r), *_kinds(r), *_waiting(r), *_worded(r), *_unscaled(r),
        ("largest", _largest(r, scope))]


def details(result: Record, scope: Scope = SCOPE) -> list[tuple[str, str]]:
    """Further figures of a run, for tables in full."""
    r = result
    return [
        ("power", f"average {_power(r, scope):.4g} W (scope {scope}), nameplate {r.power.peak_w:.4g} W"),
        ("effective", _rates(r.effective) + " (kept weights)"), ("dense-equivalent", _rates(r.dense_equivalent)),
        *_link(r), *_programmed(r)]


def text(result: Record, scope: Scope = SCOPE, columns: int = COLUMNS) -> str:
    """The facts on one screen: at most 24 lines of 80 columns; on a narrower one, as many lines as they take."""
    whole = columns < COLUMNS
    room, most = max(columns - _LABEL, _LABEL), None if whole else 2
    rows = [(label, wrapped(numbers.plain(value), room, most, " …")) for label, value in facts(result, scope)]
    name = numbers.plain(title(result))
    lines, left = wrapped(name, columns) if whole else [_cut(name, columns)], _LINES - 1
    for number, (label, parts) in enumerate(rows):
        least = left - (len(rows) - number - 1)  # every later row has at least one line
        kept = parts if whole or len(parts) <= least else [_cut(" ".join(parts), room)]
        lines += [f"{label if not at else '':{_LABEL}}{part}".rstrip() for at, part in enumerate(kept)]
        left -= len(kept)
    return "\n".join(lines)


def html(result: Record, scope: Scope = SCOPE) -> str:
    """The facts as a table, for notebooks."""
    rows = "".join(f"<tr><th style='text-align:left'>{escape(label)}</th>"
                   f"<td style='text-align:left'>{escape(numbers.plain(value))}</td></tr>"
                   for label, value in facts(result, scope))
    return f"<table><caption>{escape(numbers.plain(title(result)))}</caption><tbody>{rows}</tbody></table>"


def weights(result: Record) -> str:
    """Where the weights come from."""
    trained = result.workload.trained_on
    return f"trained on {trained}" if trained else "SYNTHETIC weights, never trained"


def share(value: float | None) -> str:
    """A share in per cent."""
    return "not known" if value is None else f"{value:.1%}"


def speed_text(result: Record) -> str:
    """Images per second, a dash where a single image ran."""
    return speed(result.throughput.images_per_second)


def speed(images_per_second: float | None) -> str:
    """Images per second, a dash where there is no such rate."""
    return "–" if images_per_second is None else numbers.number(images_per_second)


def rate_text(value: float | None) -> str:
    """A rate to four digits, a dash where there is none."""
    return "–" if value is None else f"{value:.4g}"


def interval_text(r: Record) -> str:
    """The pipeline interval and what it is: exact, a mean with its own 95 % interval, or the bound of a server."""
    kind, spread = r.latency.pipeline_interval_kind, r.latency.pipeline_interval_95_ps
    if kind == "single":
        return "a single image has a latency, no interval"
    known = {"exact": "exact", "bound": f"the bound of {r.latency.bound_by}",
             "mean": "a mean of fewer than three" if spread is None else f"a mean, ± {numbers.time(spread)} at 95 %",
             None: "exact" if r.latency.steady else "a mean or a bound"}
    return f"pipeline interval {numbers.time(r.latency.pipeline_interval_ps)}, {known[kind]}"


def _sample(r: Record) -> str:
    return f"n = {numbers.number(r.images)}"


def _architecture(r: Record) -> str:
    a = r.architecture
    return ", ".join([f"{a.name}, {numbers.count(a.chips, 'chip')}",
                      *(f"{kind}: {unit}" for kind, unit in a.processes.items()), *a.overrides])


def _rates(rates: Effective | DenseEquivalent) -> str:
    return f"{rate_text(rates.tops)} TOPS, {rate_text(rates.tops_per_mm2)} TOPS/mm²"


def _power(r: Record, scope: Scope) -> float:
    """W over the pipeline interval; of a reloaded network, with the energy of programming."""
    again = r.programming.per_image if r.segments and r.programming else None
    energy: int = r.energy.scopes_aj[scope]
    return (energy + (again.energy_aj if again else 0)) / 1e6 / r.latency.pipeline_interval_ps


def _largest(r: Record, scope: Scope) -> str:
    scope, energies = components(r, scope)
    whole = sum(energies.values()) or 1
    ranked = sorted(energies.items(), key=lambda item: (-item[1], item[0]))[:_LARGEST]
    return ", ".join(f"{name} {energy / whole:.1%}" for name, energy in ranked) + f" (energy, scope {scope})"


def components(r: Record, scope: Scope) -> tuple[Scope, Mapping[str, int]]:
    """Energy per image (aJ) of each component in a scope, and that scope: `whole` for early records, which know no
    other."""
    return ("whole", r.energy.by_component_aj) if r.energy.by_scope_aj is None else (scope, r.energy.by_scope_aj[scope])


def _kinds(r: Record) -> list[tuple[str, str]]:
    """What is on tiles of each kind."""
    each = [f"{k.name}: {numbers.count(len(k.layers), 'layer')}, {k.used:,} of {numbers.count(k.tiles, 'tile')}, "
            f"{numbers.count(k.crossbars, 'crossbar')}, {numbers.energy(k.dynamic_aj)}" for k in r.kinds or []]
    return [("kinds of tile", "; ".join(each))] if each else []


def periphery_kind(r: Record) -> str:
    """How shared parts are sized: published or balanced."""
    return r.architecture.periphery.kind if r.architecture.periphery else PERIPHERY


def _declined(r: Record) -> list[tuple[str, str]]:
    """Crossbars that the plan could have used but did not."""
    m = r.mapping
    return [("declined", f"{numbers.number(m.declined)} of the {numbers.number(m.budget)} crossbars that the policy "
                         "allows, as links bind")] if m.declined else []


def _bound(r: Record) -> tuple[str, str]:
    """What limits the run, or the busiest server where that is not known."""
    found, busiest = r.bound, r.utilization.busiest
    if found is None:
        return "busiest server", f"{busiest.name}, {busiest.share:.1%} of the run"
    own = "" if found.server.startswith("crossbar") else f"; crossbars {found.crossbars:.1%}"
    return "bound by", f"{found.by}; busiest server {found.server}, {found.share:.1%} of the interval{own}"


def _periphery(r: Record) -> list[tuple[str, str]]:
    """What of the machine was sized for the run."""
    if periphery_kind(r) == PERIPHERY or r.architecture.periphery is None:
        return []
    grown = ", ".join(f"{place.removeprefix('components.')} ×{factor:.3g}"
                      for place, factor in r.architecture.periphery.factors.items())
    return [("periphery", f"{periphery_kind(r)}: {grown or 'as published'}")]


def _waiting(r: Record) -> list[tuple[str, str]]:
    """Where windows wait longest, of all their waiting."""
    if r.waiting is None:
        return []
    whole = sum(r.waiting.by_kind_ps.values())
    ranked = sorted(r.waiting.by_kind_ps.items(), key=lambda item: (-item[1], item[0]))[:_WAITS]
    shares = ", ".join(f"{kind} {waited / whole:.1%}" for kind, waited in ranked if waited)
    return [("windows wait", f"{shares}; longest at {r.waiting.longest}" if shares else "nowhere")]


def _unscaled(r: Record) -> list[tuple[str, str]]:
    """Prices that are not for this geometry."""
    unlike = [f"{name} ({of})" for name, of in r.architecture.unscaled_prices.items()]
    return [("prices", f"not for this geometry, written for: {', '.join(unlike)}")] if unlike else []


def _link(r: Record) -> list[tuple[str, str]]:
    net = r.interconnect
    return [("busiest link", f"{net.busiest.name}, {net.busiest.busy:.1%} of the pipeline interval, needs "
             f"{net.busiest.need_gbs:.3g} of {net.link_gbs:.3g} GB/s (placement {net.placement})")] if net else []


def _programmed(r: Record) -> list[tuple[str, str]]:
    done = r.programming
    return [("programming", f"{numbers.number(done.cells)} cells, {numbers.energy(done.energy_aj)}, "
             f"{numbers.time(done.time_ps)} (not included above)")] if done else []


def _worded(r: Record) -> list[tuple[str, str]]:
    return [(label, said) for label, said in (
        ("converters", words.correctness(r.correctness)), ("accuracy", words.accuracy(r))) if said]


def accuracy_text(r: Record) -> tuple[str, str, str]:
    """The measure, the value that stands for a run, and of what it is: on this machine, or else the last stored."""
    if r.accuracy and r.accuracy.on_this_machine:
        found = r.accuracy.on_this_machine
        return (words.named(found.measure), words.value(found.value, found.measure),
                f"{words.HERE}, n = {numbers.number(found.images)}")
    measure, phase = r.workload.measure, next((phase for phase in _FINAL if phase in r.workload.accuracy), None)
    if phase is None:
        return words.named(measure), "not known", "never trained" if r.workload.synthetic else "not stored"
    tested = r.workload.tested.get(phase)
    return words.named(measure), words.value(r.workload.accuracy[phase], measure), words.PHASES.get(phase, phase) + (
        f", n = {numbers.number(tested)}" if tested else "")


def _final(r: Record) -> str:
    """The accuracy that stands for a run: on this machine, or else the last that was stored."""
    if r.accuracy and r.accuracy.on_this_machine:
        found = r.accuracy.on_this_machine
        what = words.value(found.value, found.measure)
        return f", {words.named(found.measure)} {words.HERE} {what} (n = {numbers.number(found.images)})"
    phase = next((phase for phase in _FINAL if phase in r.workload.accuracy), None)
    if phase is None:
        return ""
    return f", {words.named(r.workload.measure)} {words.phase(phase, r.workload)}"


def _lost(r: Record) -> str:
    return f", {words.exactness(r.correctness)}" if r.correctness and not r.correctness.exact else ""


def _cut(line: str, most: int) -> str:
    return line if len(line) <= most else line[:most - 1] + "…"
