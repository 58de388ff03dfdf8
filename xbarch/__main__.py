"""The command `xbarch`, also as `python -m xbarch`. An interrupt prints one line, even while modules are loading."""

import gc
import os
import signal
from types import FrameType

_OBJECTS = 200_000  # threshold of the garbage collector: runs allocate many objects but no reference cycles
_code = 128 + signal.SIGINT


def main() -> None:
    """Run the command line."""
    gc.set_threshold(_OBJECTS)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's products are small: more threads would only spin
    try:
        if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _terminate)
        from xbarch.cli.app import main as run

        run()
    except KeyboardInterrupt:
        try:
            os.write(2, b"xbarch: interrupted\n")
        finally:  # exit immediately: an interrupt inside exec() (dataclasses) would otherwise kill Python by signal
            os._exit(_code)


def _terminate(number: int, frame: FrameType | None) -> None:
    """End as an interrupt does, so that nothing half-written stays."""
    global _code
    _code = 128 + number
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
