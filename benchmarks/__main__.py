"""`python -m benchmarks [PART]...`: measure, and write the sections of docs/performance.md."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import (
    checks,
    commands,
    growth,
    packing,
    page,
    peers,
    pipelined,
    points,
    rates,
    ready,
    scale,
    screening,
    searches,
    sweeps,
    training,
)
from benchmarks.spent import ROOT, reference
from xbarch.errors import InputError
from xbarch.support.files import writable

PARTS: dict[str, Any] = {"rates": rates, "commands": commands, "pipelined": pipelined, "growth": growth,
                         "scale": scale, "checks": checks, "sweeps": sweeps, "points": points, "screening": screening,
                         "ready": ready, "searches": searches, "packing": packing, "training": training, "peers": peers}


def main(words: Sequence[str] | None = None) -> None:
    """Run the parts asked for, each written as soon as it is measured."""
    asked = _asked(words)
    start = time.monotonic()
    with TemporaryDirectory() as folder:
        for number, name in enumerate(asked.parts, 1):
            part = PARTS[name]

            def say(text: str, at: str = f"{number}/{len(asked.parts)} {name}") -> None:
                print(f"[{time.monotonic() - start:4.0f} s] {at}: {text}", file=sys.stderr, flush=True)

            if asked.again:
                entry = page.entries(asked.page)[name]
            else:
                os.environ["XBARCH_CACHE"] = str(Path(folder) / name)  # nothing is kept from before
                load, before = os.getloadavg()[0], reference()
                found = part.measure(asked, say)
                entry = {"machine": page.machine(), "quick": asked.quick, "load": round(load, 2),
                         "reference_s": min(before, reference()), "found": found}
                page.keep(asked.page, name, entry)
            page.show(asked.page, name, part, entry)
            print("\n".join([f"## {part.TITLE}", "", *part.lines(entry["found"])]), flush=True)


def _asked(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all if none is named")
    parser.add_argument("--page", type=Path, default=ROOT / "docs/performance.md",
                        help="whose sections are replaced; the raw numbers go into a JSON beside it")
    parser.add_argument("--note", default="", help="on how the other tools were set up, for their section")
    parser.add_argument("--repeat", type=int, default=3, help="runs of what is short")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try it")
    parser.add_argument("--again", action="store_true", help="write sections from the raw numbers, measure nothing")
    parser.add_argument("--swept", type=Path, metavar="PATH",
                        help="folder of a sweep of resnet18_sweep by this version, for `searches` and `screening`")
    for key, peer in peers.PEERS.items():
        parser.add_argument(f"--{key}", type=peers.path, metavar="PATH",
                            help=f"folder of {peer.name}, or an executable file that runs it")
    asked = parser.parse_args(words)
    try:
        if asked.page.suffix != ".md":
            parser.error(f"--page must end in .md, not {asked.page}")
        writable(asked.page.parent, asked.page.name, asked.page.with_suffix(".json").name)
        kept = page.entries(asked.page)
    except InputError as error:
        parser.error(str(error))
    if asked.again and not (kept or asked.parts):
        parser.error(f"--again needs the numbers of an earlier run, and there are none beside {asked.page}")
    known = kept if asked.again else PARTS
    for name in asked.parts:
        if name not in PARTS:
            parser.error(f"a part must be one of {', '.join(PARTS)}, not {name!r}")
        if name not in known:
            parser.error(f"there are no numbers of {name!r} beside {asked.page}")
    asked.parts = [name for name in PARTS if name in (asked.parts or known)]
    if asked.repeat < 1:
        parser.error(f"--repeat must be at least 1, not {asked.repeat}")
    return asked


if __name__ == "__main__":
    main()
