"""What contradicts itself in an architecture's shared units and data movement."""

from __future__ import annotations

from collections.abc import Sequence

from xbarch.specs.chip import Chip
from xbarch.specs.pipeline import NEAR, SPLIT, SharedUnit


def refuse_moves(a: Chip) -> None:
    """Refuse data movement that the machine has no parts for."""
    if a.buffer is None:
        for number, stage in enumerate(a.pipeline.stages):
            if stage.role in SPLIT:
                raise ValueError(f"pipeline.stages.{number}.role: must not be {stage.role} where a tile has no "
                                 "`buffer`; leave the stage out")
        if a.dataflow is None or a.dataflow.registers is None:
            raise ValueError("needs a `buffer`, or dataflow.registers in which inputs wait")
    each = a.hierarchy.crossbars_per_ima
    if each % a.stack:
        raise ValueError(f"dataflow.stack: must divide the {each} crossbars of an IMA, not {a.stack}")
    paid = {action for c in a.components.values() for action in (c.action, *c.covers)}
    if "edram_access" in paid and paid & set(SPLIT.values()):
        name = next(n for n, c in a.components.items() if "edram_access" in (c.action, *c.covers))
        raise ValueError(f"components.{name}: must not price edram_access beside edram_read or edram_write; price "
                         "either the joint action or both others")
    for name, unit in a.units.items():
        if (a.drives_imas and unit.level == "crossbar"
                and any(s.unit == name and s.role == "drive" for s in a.pipeline.stages)):
            raise ValueError(f"units.{name}.level: must be ima, tile or chip where dataflow.drive is ima, not "
                             "crossbar")


def refuse_units(a: Chip, parts: Sequence[str]) -> None:
    """Refuse shared units that do not fit the machine, and stages that name none. parts: names of what every tile or
    chip has.

    Raises:
        ValueError: which field, and why.
    """
    for name, unit in a.units.items():
        if wrong := _unfit(a, name, unit, parts):
            raise ValueError(f"units.{name}{wrong}")
    for number, stage in enumerate(a.pipeline.stages):
        if stage.unit is not None and stage.unit not in a.units:
            raise ValueError(f"pipeline.stages.{number}.unit: must be one of `units` "
                             f"({', '.join(a.units) or 'there is none'}), not {stage.unit}")


def _unfit(a: Chip, name: str, unit: SharedUnit, parts: Sequence[str]) -> str:
    """What is wrong with a shared unit on this machine, in words that follow its name; empty if nothing is."""
    served = [stage for stage in a.pipeline.stages if stage.unit == name]
    roles = [stage.role for stage in served]
    if name in parts:
        return f": must have another name than {name}, which is a part that every tile or chip has"
    if not served:
        return ": serves nobody; name it as the `unit` of a stage in pipeline.stages, or leave it out"
    if unit.level in ("crossbar", "ima"):
        if far := next((role for role in roles if role not in NEAR), ""):
            return f".level: must be tile or chip, where {far} takes place, not {unit.level}"
        if unit.serves * a.shared_by(unit.level) > a.crossbars_per_tile:
            return (f".serves: must leave its crossbars within a tile of {a.crossbars_per_tile}, not "
                    f"{unit.serves}; a unit of several tiles has level tile")
    if "convert" in roles:
        return _unlike_converters(a, unit, roles)
    if "drive" in roles and unit.time is None:
        return ": needs the time of an action, of one driver driving one word line"
    return ""


def _unlike_converters(a: Chip, unit: SharedUnit, roles: Sequence[str]) -> str:
    """What of a shared unit contradicts the machine's converters, in words that follow its name."""
    for key, where in (("count", "crossbar.adcs_per_crossbar"), ("time", "crossbar.conversion"),
                       ("action", "the sensing unit"), ("bits", "crossbar.adc_bits")):
        if getattr(unit, key) is not None:
            return f".{key}: must be left out of converters, of which {where} says it"
    if set(roles) != {"convert"}:
        return f": must serve stages of role convert alone, not {' and '.join(dict.fromkeys(roles))}"
    made = a.converters(unit)
    return "" if made.denominator == 1 else (
        f": must have whole converters, not {made}: as many as crossbar.adcs_per_crossbar "
        f"({a.crossbar.adcs_per_crossbar}) makes for the {unit.serves * a.shared_by(unit.level):,} crossbars "
        "that share them")
