"""What the picture and the charts of the accuracy report share."""

from __future__ import annotations

from collections.abc import Callable

from xbarch.kept.measured import Measured
from xbarch.studies.drawn import FLOOR

ACROSS: tuple[tuple[str, Callable[[Measured], float]], ...] = (
    ("compression ratio", lambda m: m.ratio), ("crossbar saving", lambda m: m.crossbar_ratio))
SAID = ("The axis of the change ends a little beyond the outermost points, and at a loss of "
        f"{-FLOOR:g} points at the latest: intervals that run out of it are wider than drawn, larger losses are left "
        "out.")
