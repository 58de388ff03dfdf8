"""Points to look through: a chart with axes to choose, filters, and the command that runs a point again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from xbarch.render.interactive.bundle import SCHEMA
from xbarch.render.look import PALETTE


@dataclass(frozen=True)
class Amount:
    """A figure of every point. kind: how it is shown (`energy`, `time`, `share` or `number`). better: "more", "less"
    or, where neither is, "". scope: of an energy."""

    name: str
    title: str
    kind: str = "number"
    better: str = ""
    scope: str = ""


@dataclass(frozen=True)
class Place:
    """A point. values: of the fields; amounts: figures, None where there is none; exact: whether its converters
    suffice, in words `said`; command: runs it again; counts: whether it may be on the front."""

    values: Sequence[str | int | float | bool | None]
    amounts: Sequence[float | None]
    exact: bool | None
    said: str
    command: str
    counts: bool = True


@dataclass(frozen=True)
class Explorer:
    """Points with their fields and figures.

    objectives: names of the amounts that the front compares; in place of an energy the one of the scope that the
    reader chose. scope: of energies, chosen at first; "" where amounts have none.
    """

    fields: Sequence[str]
    amounts: Sequence[Amount]
    points: Sequence[Place]
    objectives: Sequence[str]
    scope: str
    alt: str

    def data(self) -> Mapping[str, Any]:
        """What the script reads. Words of commands, and what is said of converters, stand there once. Figures that the
        front does not compare have six digits."""
        words = sorted({word for p in self.points for word in p.command.split(" ")})
        said = sorted({p.said for p in self.points})
        places = {word: number for number, word in enumerate(words)}
        exact = [a.name in self.objectives or bool(a.scope) for a in self.amounts]
        return {
            "fields": self.fields, "amounts": [asdict(a) for a in self.amounts], "scope": self.scope,
            "objectives": self.objectives, "words": words, "said": said,
            "schema": SCHEMA, "palette": PALETTE,
            "points": [[list(p.values), [value if whole else _short(value)
                                         for value, whole in zip(p.amounts, exact, strict=True)],
                        p.exact, said.index(p.said), [places[word] for word in p.command.split(" ")], p.counts]
                       for p in self.points]}


def _short(value: float | None) -> float | None:
    return value if value is None or isinstance(value, int) else float(f"{value:.6g}")
