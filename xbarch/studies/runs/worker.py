"""A process that runs requests: `python -m xbarch.studies.runs.worker [PLUGIN FILE]...`, a request per line on standard
input, its answer per line on standard output. It ends with its input, and so with whoever started it."""

from __future__ import annotations

import base64
import gc
import json
import os
import sys

from xbarch.plugins import registry
from xbarch.request import Contents, Request
from xbarch.studies.runs.answer import Answer, answer


def encoded(answer: Answer) -> str:
    """An answer as a line."""
    return json.dumps([answer.why, answer.reason, answer.error, base64.b64encode(answer.packed).decode()])


def decoded(line: str) -> Answer:
    """The answer of such a line."""
    why, reason, error, packed = json.loads(line)
    return Answer(why, reason, error, base64.b64decode(packed))


def main(files: list[str]) -> None:
    """Answer until there is nothing more to answer, or no one to hear it."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a plugin prints is no answer
    for file in files:
        registry.load_file(file)
    contents = Contents()
    try:
        for line in sys.stdin:
            print(encoded(answer(Request.from_json(line), contents)), file=out, flush=True)
    except BrokenPipeError:
        os._exit(1)


if __name__ == "__main__":
    gc.set_threshold(200_000)  # as `xbarch.__main__`
    main(sys.argv[1:])
