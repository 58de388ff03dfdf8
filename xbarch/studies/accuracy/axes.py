"""The axes that the picture and the charts of the accuracy report share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xbarch.kept.measured import Measured

ACROSS: tuple[tuple[str, Callable[[Measured], float]], ...] = (
    ("compression ratio", lambda m: m.ratio), ("crossbar saving", lambda m: m.crossbar_ratio))
FLOOR = -12.0  # points; a larger loss is of no use, and would compress the rest of the scale
ROOM = 0.15, 0.5  # beyond the outermost points: of their range, and in points at least
SAID = ("The axis of the change ends a little beyond the outermost points, and at a loss of "
        f"{-FLOOR:g} points at the latest: intervals that run out of it are wider than drawn, larger losses are left "
        "out.")


def ends(changes: Sequence[float]) -> tuple[float, float]:
    """Return where the axis of changes in accuracy (points) begins and ends: by the changes and 0, whatever the width
    of their intervals."""
    low, high = max(FLOOR, min([0.0, *changes])), max([0.0, *changes])
    share, least = ROOM
    room = max(share * (high - low), least)
    return max(FLOOR, low - room), high + room
