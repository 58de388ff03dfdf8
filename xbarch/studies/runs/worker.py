"""A process that runs requests: `python -m xbarch.studies.runs.worker [PLUGIN FILE]...` reads one request per line from
standard input and writes one answer per line to standard output. It ends with its input, and so with its parent."""

from __future__ import annotations

import base64
import gc
import json
import os
import sys

from xbarch.plugins import registry
from xbarch.request import Contents, Request
from xbarch.studies.runs.answer import Answer, answer


def encode(answer: Answer) -> str:
    """Return an answer as one line."""
    return json.dumps([answer.why, answer.reason, answer.error, base64.b64encode(answer.packed).decode()])


def decode(line: str) -> Answer:
    """Return the answer that `encode` made into this line."""
    why, reason, error, packed = json.loads(line)
    return Answer(why, reason, error, base64.b64decode(packed))


def main(files: list[str]) -> None:
    """Answer requests until the input ends or nobody reads the output. files: plugin files to load first."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # so that what a plugin prints is not taken for an answer
    for file in files:
        registry.load_file(file)
    contents = Contents()
    try:
        for line in sys.stdin:
            print(encode(answer(Request.from_json(line), contents)), file=out, flush=True)
    except BrokenPipeError:
        os._exit(1)


if __name__ == "__main__":
    gc.set_threshold(200_000)  # as `xbarch.__main__`
    main(sys.argv[1:])
