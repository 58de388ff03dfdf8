"""The library that draws charts in a browser: Vega-Lite with vega-embed, as one script.

It is made when xbarch is installed (`hatch_build.py`), from what the package vl-convert-python brings, and lies beside
this file, ignored by git.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # the name of the language; nothing is fetched
FILE = Path(__file__).resolve().parent / "vega.js"
_GLOBAL = "window.vegaEmbed = vegaEmbed;\n"


@lru_cache
def vega() -> str:
    """The script; empty where the installation has none: pages then have tables only."""
    try:
        return FILE.read_text(encoding="utf-8")
    except OSError:
        return ""


def make() -> str:
    """The script, made anew.

    Raises:
        ImportError: vl-convert-python is not installed.
    """
    import vl_convert

    script: str = vl_convert.javascript_bundle(_GLOBAL, vl_version="6.4")
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")
