"""The page of figures: sections in Markdown, each replaced alone, pictures, and the raw numbers in a JSON beside it."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from textwrap import wrap
from typing import Any

from xbarch.errors import InputError
from xbarch.support.about import __version__
from xbarch.support.files import read_json, write

_WIDE = 120
_MOST = 2**24  # bytes of raw numbers


@dataclass(frozen=True)
class Goal:
    """A figure that something must keep. least: whether the limit is the least that is allowed, else the most."""

    what: str
    found: float
    limit: float
    unit: str
    least: bool = False

    @property
    def met(self) -> bool:
        return self.found >= self.limit if self.least else self.found <= self.limit


def put(text: str, title: str, lines: Sequence[str]) -> str:
    """The page with the section `title` replaced, or added behind the others; nothing else changes."""
    head, *sections = (text or "# Performance\n").rstrip("\n").split("\n## ")
    kept = {s.partition("\n")[0]: s.partition("\n")[2].strip("\n") for s in sections}
    kept[title] = "\n".join(lines).strip("\n")
    return "\n\n".join([head.strip("\n"), *(f"## {name}\n\n{body}" for name, body in kept.items())]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> list[str]:
    """A Markdown table; the columns after the first `left` are numbers."""
    lines = [[*head], [":--"] * left + ["--:"] * (len(head) - left), *([str(cell) for cell in row] for row in rows)]
    return ["", *(f"| {' | '.join(cells)} |" for cells in lines), ""]


def goals(found: Sequence[Goal]) -> list[str]:
    """The table of what was to be kept."""
    return table(["goal", "allowed", "found", ""], [
        [g.what, f"{'≥' if g.least else '≤'} {number(g.limit)} {g.unit}".strip(), f"{number(g.found)} {g.unit}".strip(),
         "met" if g.met else "**not met**"] for g in found]) if found else []


def number(value: float) -> str:
    """Three digits that count, thousands in groups."""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def machine() -> dict[str, str | int]:
    """What measured, and when."""
    def of(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "none"

    return {"xbarch": __version__, "python": platform.python_version(), "numba": of("numba"), "numpy": of("numpy"),
            "simpy": of("simpy"), "cpu": _cpu(), "cpus": _cpus(), "date": time.strftime("%Y-%m-%d")}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def made_by(name: str, entry: dict[str, Any]) -> list[str]:
    """The line under a section's title."""
    by, sizes = entry["machine"], ", small sizes" if entry["quick"] else ""
    return [f"*{by['date']}, xbarch {by['xbarch']}, Python {by['python']}, Numba {by['numba']}, {by['cpu']}, "
            f"{by['cpus']} CPUs, load {entry['load']:.1f} before it; a million SimPy timeouts: "
            f"{entry['reference_s']:.2f} s of CPU in the same run (`python -m benchmarks {name}`{sizes}).*", ""]


def entries(page: Path) -> dict[str, Any]:
    """The raw numbers beside the page, by part.

    Raises:
        InputError: they are not what `keep` writes.
    """
    beside = page.with_suffix(".json")
    found = read_json(beside, _MOST) if beside.exists() else {}
    if not isinstance(found, dict) or not all(isinstance(part, dict) and {"machine", "found"} <= part.keys()
                                              for part in found.values()):
        raise InputError("does not hold the numbers of an earlier run; remove it", file=beside)
    return found


def keep(page: Path, name: str, entry: dict[str, Any]) -> None:
    """Keep the raw numbers of a part beside the page."""
    every = {**entries(page), name: entry}
    write(page.with_suffix(".json"), json.dumps(every, indent=1, ensure_ascii=False) + "\n")


def show(page: Path, name: str, part: Any, entry: dict[str, Any]) -> None:
    """Write the section and the pictures of a part from its raw numbers."""
    pictures = []
    if hasattr(part, "pictures"):
        for picture, (words, content) in part.pictures(entry["found"]).items():
            write(page.with_suffix("") / f"{picture}.svg", content)
            pictures += [f"![{words}]({page.stem}/{picture}.svg)", ""]
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    lines = [*made_by(name, entry), *part.lines(entry["found"]), *pictures]
    write(page, put(text, part.TITLE, [short for line in lines for short in _short(line)]))


def _short(line: str) -> list[str]:
    """Text in lines that editors and reviews show whole; tables and pictures as they are."""
    return [line] if len(line) <= _WIDE or line[0] in "|!" else wrap(line, _WIDE)
