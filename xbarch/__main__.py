"""The command `xbarch`, also as `python -m xbarch`. An interrupt is one line, also while modules are loaded."""

import gc
import os

_OBJECTS = 200_000  # made between two searches for rings of them that nobody uses: runs make many objects and no rings


def main() -> None:
    """Entry point."""
    gc.set_threshold(_OBJECTS)
    try:
        from xbarch.cli import main as run

        run()
    except KeyboardInterrupt:
        try:
            os.write(2, b"xbarch: interrupted\n")
        finally:  # at once: Python would end itself by the signal if it struck inside exec(), as dataclasses use it
            os._exit(130)


if __name__ == "__main__":
    main()
