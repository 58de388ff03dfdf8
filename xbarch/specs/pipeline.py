"""What a window passes on a machine: stages, the shared units at which they queue, and how data move."""

# Annotations are not postponed here: pydantic would compile each of hundreds anew at every start.
from typing import Literal

from pydantic import Field, model_validator

from xbarch.specs.fields import Name, Source, Text
from xbarch.specs.model import Spec
from xbarch.units import Memory, Time

Role = Literal["read", "transfer", "drive", "compute", "convert", "merge", "activate", "write"]

# A window passes roles in this order; those of one number in any.
_ORDER = {"read": 0, "transfer": 0, "drive": 1, "compute": 2, "convert": 3, "merge": 4, "activate": 5, "write": 6}
SPLIT = {"read": "edram_read", "write": "edram_write"}
"""The same where reads and writes of a buffer have prices of their own."""
ACTIONS = {"read": "edram_access", "transfer": "bus_transfer", "drive": "row_drive", "compute": "cell_read",
           "convert": "conversion", "merge": "merge_add", "activate": "activation", "write": "edram_access"}
"""What each role does, counted: the action that a stage of the role is timed and paid for."""
NEAR = ("drive", "convert")
"""Roles whose work is that of single crossbars."""
_REPEATED = ("read", "transfer")


class SharedUnit(Spec):
    """Hardware that several crossbars, IMAs or tiles share: who needs it queues at it, or has it in its turn.

    Its work is counted in actions: that of the role of the stage that names it (conversions, row drives, buffer words,
    transfers, additions, activations), or one of its own. Energy and area are those of the components with that action.
    """

    level: Literal["crossbar", "ima", "tile", "chip"] = Field(description="what the unit serves: all of one of these")
    serves: int = Field(1, ge=1, le=65536, description="so many of them share one")
    rule: Literal["first_come", "fixed_turns"] = Field(
        description="first_come: requests queue, the first is served whole; fixed_turns: each of those served has an "
                    "equal share of the time, whether the others need theirs or not")
    count: int | None = Field(None, ge=1, le=10**6, description="so many work on a request side by side; none: one; of "
                              "converters as many as `crossbar.adcs_per_crossbar` makes for those served")
    time: Time | None = Field(None, ge=1, description="of an action on one of them; none: as the machine states it "
                              "elsewhere (crossbar.conversion, buffer, bus, rate of the component that is paid)")
    action: Name | None = Field(None, description="what its work is counted and paid as; none: the action of the role")
    bits: int | None = Field(None, ge=1, le=65536, description="what an action moves, of a unit that moves data; none: "
                             "a word of the buffer, or what the bus's wires hold")
    source: Source


class Dataflow(Spec):
    """How inputs reach the crossbars and sums leave them."""

    input: Literal["window", "new", "once"] = Field(
        "window", description="what a window of a copy brings in: all its inputs; those that the copy's window before "
                              "did not have; those that no earlier window of the copy had in this image")
    registers: Memory | None = Field(None, ge=1, description="what the registers of a tile hold, where they keep "
                                     "inputs: needed for new and once, and without a buffer")
    drive: Literal["crossbar", "ima"] = Field(
        "crossbar", description="who has drivers of its own: every crossbar; an IMA, which drives an input once for "
                                "all its crossbars")
    stack: int = Field(1, ge=1, le=4096, description="crossbars of an IMA that lie above one another, whose sums add "
                       "up on the bit lines and are sensed together")
    source: Source

    @model_validator(mode="after")
    def _kept_somewhere(self) -> "Dataflow":
        if self.input != "window" and self.registers is None:
            raise ValueError(f"input: must be window where no `registers` that keep inputs are stated, not "
                             f"{self.input}")
        return self


class Stage(Spec):
    """One step a window passes. `role` says what happens; who is paid are the components with its action.

    latency: time from grant to result where it is fixed; on a machine with slots results come on whole slots.
    For roles drive, compute and convert it is added to the time that the work takes.
    """

    role: Role
    name: Name | None = Field(None, description="none: its role; needed where a role comes twice")
    after: list[Name] | None = Field(None, max_length=8, description="names of the stages whose results it waits for; "
                                     "none: the stage before it in the list")
    unit: Name | None = Field(None, description="one of `units`, at which it queues; none: the machine's own part")
    latency: Time
    note: Text | None = None
    source: Source

    @property
    def called(self) -> str:
        """Its name."""
        return self.name or self.role


class Pipeline(Spec):
    """slot: results and crossbar occupancies are rounded up to whole slots (0: no slots). ahead: windows a
    copy may have between issue and the end of its crossbars' work (2: input registers double buffered)."""

    slot: Time
    ahead: int = Field(ge=1, le=1024)
    stages: list[Stage] = Field(min_length=1, max_length=16)
    source: Source

    @model_validator(mode="after")
    def _runs(self) -> "Pipeline":
        names = [stage.called for stage in self.stages]
        for number, stage in enumerate(self.stages):
            if stage.called in names[:number]:
                raise ValueError(f"stages.{number}.role: must be there once, or each needs a name: two stages are "
                                 f"named {stage.called}")
            for after in stage.after or ():
                if after not in names:
                    raise ValueError(f"stages.{number}.after: must name other stages ({', '.join(names)}), not {after}")
        ring = self._ring()
        if ring:
            raise ValueError(f"stages.{names.index(ring[0])}.after: the stages wait for each other in a ring: "
                             f"{' after '.join([*ring, ring[0]])}; a window could never pass them")
        self._in_order()
        return self

    def _in_order(self) -> None:
        """Refuse roles in an order in which no crossbar could work."""
        for role in _ORDER:
            count = sum(stage.role == role for stage in self.stages)
            if (count > 1 and role not in _REPEATED) or (not count and role == "compute"):
                raise ValueError(f"stages: must have the role {role} {'once' if role == 'compute' else 'at most once'}"
                                 f", not {count} times")
        last = self.ordered()[-1]
        for number, stage in enumerate(self.stages):
            if wrong := self._misplaced(stage, last):
                raise ValueError(f"stages.{number}.role: {wrong}")

    def _misplaced(self, stage: Stage, last: Stage) -> str:
        """What is wrong with a stage's place, in words; empty if nothing is. last: the one that comes last."""
        before = [other.role for other in self.before(stage)]
        if late := next((role for role in before if _ORDER[role] > _ORDER[stage.role]), ""):
            return f"must come before {late}, as roles follow one another: {', '.join(_ORDER)}; not {stage.role}"
        if stage.role == "convert" and before != ["compute"]:
            return "must come right after compute, whose sums are converted, not convert"
        if _ORDER[stage.role] > _ORDER["compute"] and not any(_ORDER[r] >= _ORDER["compute"] for r in before):
            return f"must come after compute, not {stage.role}"
        if stage.role in NEAR and stage.unit is None:
            return (f"must name a unit, of the {'drivers' if stage.role == 'drive' else 'converters'} that are shared; "
                    "where none are, compute includes this role and the stage is left out")
        if stage is not last and not any(stage in self.before(other) for other in self.stages):
            return f"must lead on to another stage, but none comes after {stage.called}"
        return ""

    def before(self, stage: Stage) -> list[Stage]:
        """The stages that a stage waits for."""
        if stage.after is not None:
            return [other for other in self.stages if other.called in stage.after]
        number = [other.called for other in self.stages].index(stage.called)
        return self.stages[max(number - 1, 0):number]

    def ordered(self) -> list[Stage]:
        """The stages, each after those it waits for, otherwise in the order of the list; without those in a ring."""
        found: dict[str, Stage] = {}  # by name: comparing stages field by field takes long
        waits = {stage.called: [other.called for other in self.before(stage)] for stage in self.stages}
        while True:
            ready = (s for s in self.stages if s.called not in found and all(b in found for b in waits[s.called]))
            if (first := next(ready, None)) is None:
                return list(found.values())
            found[first.called] = first

    def _ring(self) -> list[str]:
        """Names of stages that wait for each other in a ring, each after the next; empty if none do."""
        passed = self.ordered()
        left = [stage for stage in self.stages if stage not in passed]
        walk = left[:1]
        while walk:
            step = next(before for before in self.before(walk[-1]) if before in left)
            if step in walk:
                return [stage.called for stage in walk[walk.index(step):]]
            walk.append(step)
        return []
