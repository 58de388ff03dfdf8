"""How long-running functions report their progress: through a function of the caller."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, what is running or was run last)."""

WindowProgress = Callable[[int, int], None]
"""Called with (output pixels done, output pixels in all) while one run is simulated."""
