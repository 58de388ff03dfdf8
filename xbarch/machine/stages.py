"""The stages of a machine's pipeline, in order and by where they take place."""

from __future__ import annotations

from dataclasses import dataclass

from xbarch.specs.pipeline import Pipeline, Stage

_INPUTS = ("read", "transfer")  # bring a window's inputs to the crossbars
_HOME = ("merge", "activate")   # take place where the sums of all tiles meet


@dataclass(frozen=True, kw_only=True)
class Stages:
    """all: each after those it waits for. near: of every tile that holds a part of a layer's copy. home: of the tile
    where the sums meet. before: names of the stages that each waits for. ends: the near ones that no near one waits
    for. last_in: the stage that brings the inputs into the registers; "" if none does. by_role: those of each role."""

    all: tuple[Stage, ...]
    near: tuple[Stage, ...]
    home: tuple[Stage, ...]
    before: dict[str, tuple[str, ...]]
    ends: tuple[str, ...]
    last_in: str
    by_role: dict[str, list[Stage]]

    @classmethod
    def of(cls, pipeline: Pipeline) -> Stages:
        """From an architecture's pipeline."""
        every = tuple(pipeline.ordered())
        before = {stage.called: tuple(other.called for other in pipeline.before(stage)) for stage in every}
        near = tuple(stage for stage in every if stage.role not in (*_HOME, "write"))
        awaited = {name for stage in near for name in before[stage.called]}
        return cls(all=every, near=near, home=tuple(stage for stage in every if stage.role in _HOME), before=before,
                   ends=tuple(stage.called for stage in near if stage.called not in awaited),
                   last_in=next((stage.called for stage in reversed(near) if stage.role == "transfer"), ""),
                   by_role={stage.role: [other for other in every if other.role == stage.role] for stage in every})

    def has(self, role: str) -> list[Stage]:
        """The stages of a role."""
        return self.by_role.get(role, [])
