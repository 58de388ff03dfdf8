"""Numbers as people read them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from xbarch.support.pairs import with_options

_STEPS = [(10**18, ""), (10**15, "m"), (10**12, "µ"), (10**9, "n"), (10**6, "p"), (10**3, "f"), (1, "a")]
_TIMES = [(10**12, "s"), (10**9, "ms"), (10**6, "µs"), (10**3, "ns"), (1, "ps")]


def energy(aj: float) -> str:
    """Attojoules with a fitting prefix."""
    for size, prefix in _STEPS:
        if abs(aj) >= size:
            return f"{aj / size:,.3g} {prefix}J"
    return "0 J"


def time(ps: float) -> str:
    """Picoseconds with a fitting unit."""
    for size, unit in _TIMES:
        if abs(ps) >= size:
            return f"{ps / size:,.4g} {unit}"
    return "0 ps"


def number(value: float) -> str:
    """Thousands separated, four significant digits where it is not whole."""
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.4g}" if abs(value) < 10**4 else f"{value:,.0f}"


def signed(value: float) -> str:
    """With its sign and two decimals, a true minus sign: +0.28, −3.34."""
    return typeset(f"{value:+.2f}")


def typeset(text: str) -> str:
    """A formatted number with a true minus sign in place of a hyphen."""
    return text.replace("-", "\N{MINUS SIGN}")


def count(value: int, what: str) -> str:
    """The number and what it counts: 3 tiles, 1 tile."""
    return f"{number(value)} {what}{'' if value == 1 else 's'}"


def path(name: str, provenance: str, chosen: Mapping[str, Any] | None = None) -> str:
    """A data path's name in tables, with the options that were asked for; a definition that is a guess as a whole says
    so wherever it stands."""
    shown = with_options(name, chosen or {})
    return f"{shown} (assumed)" if provenance.startswith("assumed") else shown


def area(nm2: float) -> str:
    """Square nanometres as mm²."""
    return f"{nm2 / 1e12:.4g} mm²"


def plain(text: object) -> str:
    """A name from a file made safe for a terminal: no control characters."""
    return "".join(c if c.isprintable() else "?" for c in str(text))


_AMOUNT = re.compile(r"(?P<sign>[-+\N{MINUS SIGN}]?)(?P<number>\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?)"
                     r"(?: (?P<prefix>[afpnµm]?)(?:J|s)\b)?")
_POWERS = {"a": -18, "f": -15, "p": -12, "n": -9, "µ": -6, "m": -3}


def amount(text: str) -> float | None:
    """The first number in a text, in its unit without prefix where that is one of energy or time, so that texts of a
    column can be sorted; None where there is none."""
    found = _AMOUNT.search(text)
    if found is None:
        return None
    value = float(found["number"].replace(",", "")) * 10.0 ** _POWERS.get(found["prefix"] or "", 0)
    return value if found["sign"] in ("", "+") else -value
