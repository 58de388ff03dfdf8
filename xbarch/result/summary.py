"""A result in a few words: one line, one screen, one table for a notebook."""

from __future__ import annotations

from html import escape
from textwrap import wrap

from xbarch.result import words
from xbarch.result.schema import Record
from xbarch.support import numbers

_LINES, _COLUMNS, _LABEL = 24, 80, 17
_LARGEST = 5  # components named
_FINAL = ("pruning", "imported", "baseline", "float")  # the accuracy that stands for a workload: the first there is


def title(r: Record) -> str:
    """Workload, data path, architecture and what else tells the run from others."""
    placement, chips = r.interconnect.placement if r.interconnect else "row_major", r.architecture.chips
    return " · ".join([
        r.workload.name, r.datapath.name, r.architecture.name, *r.architecture.overrides, r.policy,
        *([r.mode] if r.mode != "pipelined" else []), *([placement] if placement != "row_major" else []),
        *([f"{chips} chips"] if chips > 1 else [])])


def line(result: Record) -> str:
    """Name, images/s, energy per image, accuracy, and what the converters lose."""
    return numbers.plain(f"{title(result)}: {_speed(result)}, {numbers.energy(result.energy.per_image_aj)} per image "
                         f"(scope whole){_final(result)}{_lost(result)}")


def facts(result: Record) -> list[tuple[str, str]]:
    """The main figures of a run as (what, value with unit)."""
    r = result
    return [
        ("workload", f"{r.workload.name} ({weights(r)})"),
        ("architecture", _architecture(r)),
        ("data path", numbers.path(r.datapath.name, r.datapath.provenance)),
        ("run", f"{numbers.count(r.images, 'image')}, {r.mode}, policy {r.policy}"),
        ("crossbars", f"{numbers.number(r.mapping.crossbars)} on {numbers.count(r.mapping.tiles, 'tile')} "
                      f"(one copy: {numbers.number(r.mapping.one_copy_crossbars)}, "
                      f"dense: {numbers.number(r.mapping.dense_crossbars)})"),
        ("throughput", f"{_speed(r)}; pipeline interval {numbers.time(r.latency.pipeline_interval_ps)}"
                       + ("" if r.latency.steady else _mean(r.latency.pipeline_interval_95_ps))),
        ("latency", f"{numbers.time(r.latency.first_image_ps)} for the first image"),
        ("energy per image", f"compute {numbers.energy(r.energy.scopes_aj.compute)}, "
                             f"chip {numbers.energy(r.energy.scopes_aj.chip)}, "
                             f"whole {numbers.energy(r.energy.scopes_aj.whole)}"),
        ("largest", _largest(r)),
        ("power", f"average {r.power.average_w:.4g} W, nameplate {r.power.peak_w:.4g} W"),
        ("area", f"used {r.area.used_mm2:.4g} mm², chip {r.area.total_mm2:.4g} mm²"),
        ("effective", f"{_rates(r.effective.tops, r.effective.tops_per_w, r.effective.tops_per_mm2)} (kept weights)"),
        ("dense-equivalent", _rates(r.dense_equivalent.tops, r.dense_equivalent.tops_per_w,
                                    r.dense_equivalent.tops_per_mm2)),
        ("utilization", f"cells {r.utilization.cells:.1%}, crossbar time {share(r.utilization.crossbar_time)}, "
                        f"ADC time {share(r.utilization.adc_time)}"),
        *_binds(r), *_programmed(r), *_worded(r)]


def text(result: Record) -> str:
    """The facts on one screen: at most 24 lines of at most 80 columns."""
    rows = [(label, wrap(numbers.plain(value), _COLUMNS - _LABEL, max_lines=2, placeholder=" …",
                         break_on_hyphens=False))
            for label, value in facts(result)]
    lines, left = [_cut(numbers.plain(title(result)), _COLUMNS)], _LINES - 1
    for number, (label, parts) in enumerate(rows):
        room = left - (len(rows) - number - 1)  # every later row has at least one line
        kept = parts if len(parts) <= room else [_cut(" ".join(parts), _COLUMNS - _LABEL)]
        lines += [f"{label if not at else '':{_LABEL}}{part}".rstrip() for at, part in enumerate(kept)]
        left -= len(kept)
    return "\n".join(lines)


def html(result: Record) -> str:
    """The facts as a table, for notebooks."""
    rows = "".join(f"<tr><th style='text-align:left'>{escape(label)}</th>"
                   f"<td style='text-align:left'>{escape(numbers.plain(value))}</td></tr>"
                   for label, value in facts(result))
    return f"<table><caption>{escape(numbers.plain(title(result)))}</caption><tbody>{rows}</tbody></table>"


def weights(result: Record) -> str:
    """Where the weights come from."""
    trained = result.workload.trained_on
    return f"trained on {trained}" if trained else "SYNTHETIC weights, never trained"


def share(value: float | None) -> str:
    """A share in per cent."""
    return "not known" if value is None else f"{value:.1%}"


def _speed(result: Record) -> str:
    return f"{numbers.number(result.throughput.images_per_second)} images/s"


def _architecture(r: Record) -> str:
    a = r.architecture
    return ", ".join([f"{a.name}, {numbers.count(a.chips, 'chip')}",
                      *(f"{kind}: {unit}" for kind, unit in a.processes.items()), *a.overrides])


def _mean(spread: int | None) -> str:
    return " (a mean: no exact steady state" + (")" if spread is None else f"; ± {numbers.time(spread)} at 95 %)")


def _rates(tops: float, per_w: float, per_mm2: float) -> str:
    return f"{tops:.4g} TOPS, {per_w:.4g} TOPS/W, {per_mm2:.4g} TOPS/mm²"


def _largest(r: Record) -> str:
    energies = r.energy.by_component_aj
    whole = sum(energies.values()) or 1
    ranked = sorted(energies.items(), key=lambda item: (-item[1], item[0]))[:_LARGEST]
    return ", ".join(f"{name} {energy / whole:.1%}" for name, energy in ranked) + " (of scope whole)"


def _binds(r: Record) -> list[tuple[str, str]]:
    busiest = r.utilization.busiest
    rows = [("busiest server", f"{busiest.name}, {busiest.share:.1%} of the run")]
    if net := r.interconnect:
        rows.append(("busiest link", f"{net.busiest.name}, {net.busiest.busy:.1%} of the pipeline interval, needs "
                     f"{net.busiest.need_gbs:.3g} of {net.link_gbs:.3g} GB/s (placement {net.placement})"))
    return rows


def _programmed(r: Record) -> list[tuple[str, str]]:
    done = r.programming
    return [("programming", f"{numbers.number(done.cells)} cells, {numbers.energy(done.energy_aj)}, "
             f"{numbers.time(done.time_ps)} (not included above)")] if done else []


def _worded(r: Record) -> list[tuple[str, str]]:
    return [(label, said) for label, said in (
        ("converters", words.correctness(r.correctness)), ("accuracy", words.accuracy(r))) if said]


def _final(r: Record) -> str:
    """The accuracy that stands for a run: on this machine, or else the last that was stored."""
    if r.accuracy and r.accuracy.on_this_machine:
        found = r.accuracy.on_this_machine
        return f", accuracy {words.HERE} {found.value:.2%} (n = {numbers.number(found.images)})"
    phase = next((phase for phase in _FINAL if phase in r.workload.accuracy), None)
    if phase is None:
        return ""
    return f", accuracy {words.phase(phase, r.workload.accuracy[phase], r.workload.tested)}"


def _lost(r: Record) -> str:
    return f", {words.exactness(r.correctness)}" if r.correctness and not r.correctness.exact else ""


def _cut(line: str, most: int) -> str:
    return line if len(line) <= most else line[:most - 1] + "…"
