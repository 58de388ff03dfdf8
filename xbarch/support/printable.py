"""Text that may be printed anywhere: nothing that a terminal obeys, that XML forbids or that reorders what is read."""

from __future__ import annotations

import re

# Control characters but tab and line ends, surrogates, non-characters, and the marks that change writing direction.
UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\u200d\u2010-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\ufffd"
    "\U00010000-\U0010ffff]")


def unprintable(value: object) -> str:
    """The first character of `value`'s texts, keys included, that may not be printed, as "U+001B"; empty if none."""
    if isinstance(value, str):
        found = UNPRINTABLE.search(value)
        return f"U+{ord(found[0]):04X}" if found else ""
    if isinstance(value, dict):
        return next(filter(None, (unprintable(part) for pair in value.items() for part in pair)), "")
    if isinstance(value, list):
        return next(filter(None, map(unprintable, value)), "")
    return ""
