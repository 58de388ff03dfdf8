"""The files that a search writes: its points as CSV, JSON and a page, and the picture of its front."""

from __future__ import annotations

import json
from pathlib import Path

from xbarch.render.interactive.pages import html
from xbarch.render.look import saved, styled
from xbarch.studies.search.found import Found
from xbarch.studies.search.page import page
from xbarch.studies.search.picture import draw
from xbarch.support.files import write_all

FILES = ("search.csv", "search.json", "search.svg", "search.html")


def save(found: Found, folder: Path) -> None:
    """Write the files, all or none.

    Raises:
        InputError: one cannot be written.
    """
    with styled():
        drawn = saved(draw(found), "svg", dpi=160)
    contents: tuple[str | bytes, ...] = (found.csv(), json.dumps(found.plain(), indent=1) + "\n", drawn,
                                         html(page(found)))
    write_all({folder / name: content for name, content in zip(FILES, contents, strict=True)})
