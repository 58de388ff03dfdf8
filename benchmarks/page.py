"""Sections of docs/performance.md, each written by its own benchmark."""

from __future__ import annotations

from pathlib import Path


def put(page: Path, title: str, lines: list[str]) -> None:
    """Replace the section `title` of `page`, or add it."""
    text = page.read_text(encoding="utf-8") if page.exists() else "# Performance\n"
    head, *sections = text.rstrip("\n").split("\n## ")
    kept = {s.partition("\n")[0]: s.partition("\n")[2].strip("\n") for s in sections}
    kept[title] = "\n".join(lines)
    page.write_text("\n\n".join([head.strip("\n"), *(f"## {name}\n\n{body}" for name, body in kept.items())]) + "\n",
                    encoding="utf-8")
