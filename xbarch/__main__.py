"""The command `xbarch`, also as `python -m xbarch`. An interrupt is one line, also while modules are loaded."""

import gc
import os
import signal
from types import FrameType

_OBJECTS = 200_000  # made between two searches for rings of them that nobody uses: runs make many objects and no rings
_code = 128 + signal.SIGINT


def main() -> None:
    """Entry point."""
    gc.set_threshold(_OBJECTS)
    try:
        if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _asked_to_end)
        from xbarch.cli.app import main as run

        run()
    except KeyboardInterrupt:
        try:
            os.write(2, b"xbarch: interrupted\n")
        finally:  # at once: Python would end itself by the signal if it struck inside exec(), as dataclasses use it
            os._exit(_code)


def _asked_to_end(number: int, frame: FrameType | None) -> None:
    """As an interrupt: nothing half-written stays."""
    global _code
    _code = 128 + number
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
