"""Make the pictures of the pages from runs: `python docs/pictures.py` (about half a minute).

`--page` takes the picture of a run's page too, in a headless Chromium.
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
    """Write report.png, the page of the same run as a browser shows it."""
    with TemporaryDirectory() as scratch:
        pictures.save(xbarch.simulate("isaac_like", "resnet18_pruned"), scratch)
        subprocess.run(["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", "--virtual-time-budget=8000",
                        f"--window-size={SIZE[0]},{SIZE[1]}", f"--screenshot={folder / 'report.png'}",
                        f"file://{scratch}/report.html"], check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    print(*draw())
    if "--page" in sys.argv:
        photograph()
