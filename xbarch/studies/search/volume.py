"""The hypervolume that points surpass: what a front is worth in one number."""

from __future__ import annotations

from collections.abc import Iterable

Values = tuple[float, ...]


def volume(points: Iterable[Values]) -> float:
    """Return the volume between points and (1, ..., 1) that they surpass, less being better: slice by slice along the
    first value (Zitzler and Thiele, IEEE Trans. Evol. Comp., 1999). Points of values up to 1."""
    ordered = sorted(set(points))
    if not ordered:
        return 0.0
    if len(ordered[0]) == 1:
        return 1.0 - ordered[0][0]
    ends = [point[0] for point in ordered[1:]] + [1.0]
    return sum((end - point[0]) * volume(p[1:] for p in ordered[:number])
               for number, (point, end) in enumerate(zip(ordered, ends, strict=True), 1) if end > point[0])
