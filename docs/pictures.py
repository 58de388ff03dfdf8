"""Make the pictures of the pages from runs: `python docs/pictures.py` (about half a minute).

`--pages` takes pictures of the pages of a run, a comparison and a sweep too, in a headless Chromium.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import xbarch
from xbarch.render import pictures
from xbarch.render.look import styled

FOLDER = Path(__file__).with_name("pictures")
SIZE = 1280, 1100  # of the picture of a page
SWEEP = """\
kind: sweep
title: crossbars and converters
architectures: [isaac_like]
workloads: [vgg7_pruned]
policies: ['crossbars:2', 'crossbars:4']
images: 4
axes:
  crossbar.rows, crossbar.columns: [32, 64, 128]
  crossbar.adc_bits: [5, 6, 7, 8]
"""


def draw(folder: Path = FOLDER) -> list[str]:
    """Write the pictures of one run and return their names: the run of the README and of the tutorial."""
    result = xbarch.simulate("isaac_like", "resnet18_pruned")
    found = {name: make(result).render("svg") for name, make in pictures.drawable(result).items()}
    with TemporaryDirectory() as scratch, styled():
        file = Path(scratch) / "roofline.svg"
        result.plot.roofline().savefig(file, metadata={"Date": None})
        found["roofline"] = file.read_bytes()
    folder.mkdir(exist_ok=True)
    for name, content in found.items():
        (folder / f"{name}.svg").write_bytes(content)
    return sorted(found)


def photograph(folder: Path = FOLDER) -> None:
    """Write NAME.png for the pages of a run, a comparison and a sweep, as a browser shows them."""
    with TemporaryDirectory() as scratch:
        place = Path(scratch)
        pictures.save(xbarch.simulate("isaac_like", "resnet18_pruned"), place)
        xbarch.compare(["isaac_like", "cascade_like"], ["resnet18_pruned", "resnet18_segprune"], images=4,
                       out=place / "comparison.html", processes=1)
        (place / "designs.yaml").write_text(SWEEP, encoding="utf-8")
        xbarch.sweep(place / "designs.yaml", place, processes=1)
        for name in ("report", "comparison", "sweep"):
            subprocess.run(["chromium", "--headless", "--no-sandbox", "--hide-scrollbars",
                            "--virtual-time-budget=8000", f"--window-size={SIZE[0]},{SIZE[1]}",
                            f"--screenshot={folder / name}.png", (place / f"{name}.html").as_uri()],
                           check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    print(*draw())
    if "--pages" in sys.argv:
        photograph()
