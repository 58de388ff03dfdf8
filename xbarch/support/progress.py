"""How long-running functions report their progress: through a function of the caller."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Progress = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, what is running or was run last)."""

WindowProgress = Callable[[int, int], None]
"""Called with (output pixels done, output pixels in all) while one run is simulated."""


def steps(progress: Progress | None, names: Sequence[str]) -> Callable[[], None]:
    """Return a function that reports the next of the named steps whenever it is called; after the last, that all are
    done."""
    left = iter([*enumerate(names), (len(names), "done")])

    def step() -> None:
        done, name = next(left)
        if progress is not None:
            progress(done, len(names), name)

    return step
