"""A process that runs points: `python -m xbarch.studies.runs.worker [PLUGIN FILE]...`, a point a line on standard
input, its answer a line on standard output. It ends with its input, and so with whoever started it."""

from __future__ import annotations

import gc
import json
import os
import sys

from xbarch.plugins import registry
from xbarch.studies.runs.bench import answer
from xbarch.studies.sweep.points import Point


def main(files: list[str]) -> None:
    """Answer until there is nothing more to answer, or no one to hear it."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a plugin prints is no answer
    for file in files:
        registry.load_file(file)
    try:
        for line in sys.stdin:
            found = answer(Point.from_json(line))
            print(json.dumps([found.why, dict(found.figures)]), file=out, flush=True)
    except BrokenPipeError:
        os._exit(1)


if __name__ == "__main__":
    gc.set_threshold(200_000)  # as `xbarch.__main__`
    main(sys.argv[1:])
