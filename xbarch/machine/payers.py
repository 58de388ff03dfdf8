"""Who emits each action of a machine, and which components are paid for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from xbarch.cost.nameplate import full
from xbarch.cost.price import Price
from xbarch.datapaths.base import DataPath, Geometry
from xbarch.errors import InputError
from xbarch.plugins import checked, registry
from xbarch.plugins.kinds import PATHS, PROCESSES, SENSING, Kind
from xbarch.plugins.registry import sensed
from xbarch.specs.architecture import Architecture
from xbarch.specs.explain import guess
from xbarch.specs.pipeline import Stage
from xbarch.specs.text import brief

# What the compiler emits (`xbarch.machine.compile`), beside the stages' own actions.
SOME_LAYERS = {"pool": "max pooling", "requantize": "activate, with scales that are no powers of two",
               "merge_add": "shortcuts and average pooling"}
GLOBAL_BUFFER = {"global_access": "write to and read from the global buffer"}
# Counted only where a component prices them (`xbarch.machine.levels`).
BY_VALUE = {"cell_level": "compute, by the values of stored inputs and cells",
            "row_level": "compute, by the values of stored inputs"}

Payers = Mapping[str, tuple[Price, ...]]
"""The components that are paid for each action; all of them are."""


def payers(a: Architecture) -> dict[str, tuple[Price, ...]]:
    """Return the price that each component asks for each action. Every component with that action is paid; where there
    is none, those that cover it, with 0."""
    own, covering = dict[str, tuple[Price, ...]](), dict[str, tuple[Price, ...]]()
    for name, c in a.components.items():
        for action in c.covers:
            covering[action] = (*covering.get(action, ()), Price(name, 0, c.scope))
        if c.action is not None:
            own[c.action] = (*own.get(c.action, ()), Price(name, c.energy_aj, c.scope))
    return covering | own


def serving(a: Architecture, stage: Stage) -> list[str]:
    """Return the components that serve a pipeline stage: those that are paid for what it does."""
    return [price.component for price in payers(a).get(a.action(stage), ())]


def always(a: Architecture) -> dict[str, str]:
    """Return the actions that every network asks of a machine, with the stages that emit them."""
    drives = any(stage.role == "drive" for stage in a.pipeline.stages)
    found: dict[str, list[str]] = {}
    for stage in a.pipeline.ordered():
        if stage.role != "convert":  # the sensing unit's
            found.setdefault(a.action(stage), []).append(stage.called)
        also = {"transfer": ["ir_access"], "merge": ["tile_or_access"],
                "compute": ["ir_access", *([] if drives else ["row_drive"]), "or_access"]}.get(stage.role, [])
        for action in also:
            found.setdefault(action, []).append(stage.called)
    found["flit_hop"] = ["links", *(stage.called for stage in a.pipeline.stages if stage.role == "write")]
    return {action: ", ".join(names) for action, names in found.items()}


def emitters(a: Architecture, path: DataPath | None = None) -> dict[str, str]:
    """Return what emits each action on a machine, in words: stages, the sensing unit, unit processes, and a data path
    if one is given."""
    found = always(a)
    found |= {action: who for action, who in SOME_LAYERS.items() if action not in found}
    found |= GLOBAL_BUFFER if a.global_buffer else {}
    found |= BY_VALUE

    def add(actions: Iterator[str], who: str) -> None:
        for action in actions:
            found[action] = f"{found[action]}; {who}" if action in found else who

    unit = sensed(a)
    done = dict.fromkeys(unit.emits)
    with suppress(InputError):  # what a plugin does wrong is said of the layer with which it does it
        done |= dict.fromkeys(checked.actions(unit, full(a, a.precision.input_bits)))
    add(iter(done), f"sensing unit {unit.name}")
    for kind, asked in a.processes.items():
        if process := registry.find(PROCESSES, asked.unit):
            add(iter(process.emits), f"unit process {process.name} of {kind}")
    if path is not None:
        add(_of_path(path, Geometry.of(a.crossbar)), f"data path {path.name}")
    return found


def refuse_unemitted(a: Architecture, path: DataPath | None = None) -> None:
    """Refuse a component whose action nothing can emit: it would never be paid. Beside the machine's own, actions
    count that a registered sensing unit, data path or unit process emits, as a run may choose that one.

    Raises:
        InputError: which component, and the actions that there are.
    """
    asked = [(action, f"components.{name}.{key}") for name, c in a.components.items()
             for key, actions in (("action", [c.action] if c.action else []), ("covers", c.covers))
             for action in actions]
    known = emitters(a, path)
    if all(action in known for action, _ in asked):
        return
    others = elsewhere(a)  # loads every plugin
    for action, field in asked:
        if action not in known and action not in others:
            more = " (global_access takes a global_buffer)" if action in GLOBAL_BUFFER else ""
            raise InputError(f"nothing emits {brief(action)!r}{more}; the actions here are {', '.join(known)}"
                             f"{guess(action, [*known, *others])}", field=field)


def elsewhere(a: Architecture) -> dict[str, str]:
    """Return the actions of all registered sensing units, data paths and unit processes, with one that emits it.
    Plugins that cannot be loaded, or made without options, say what they emit by `emits` or not at all."""
    found, geometry = dict[str, str](), Geometry.of(a.crossbar)
    kinds: tuple[Kind[Any], ...] = (SENSING, PROCESSES, PATHS)
    for kind in kinds:
        for name in registry.active().names(kind):
            actions = list[str]()
            with suppress(InputError):
                plugin = registry.find(kind, name)
                actions += plugin.emits if plugin else ()
                if kind is PATHS:
                    actions += _of_path(registry.datapath(name), geometry)
            for action in actions:
                found.setdefault(action, f"{kind.noun} {name}")
    return found


def _of_path(path: DataPath, geometry: Geometry) -> Iterator[str]:
    yield from dict.fromkeys([*path.emits, *(added.action for added in checked.hardware(path, geometry))])
