"""Quantities with units, read exactly into integers.

Time is integer picoseconds, energy integer attojoules, power integer microwatts, area integer
square nanometres, memory integer bits. One microwatt for one picosecond is one attojoule, so static
energy is exact too.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer

_SI = {"a": -18, "f": -15, "p": -12, "n": -9, "u": -6, "µ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12}

# dimension -> (base unit, exponent of the canonical integer's unit, prefixes offered)
_DIMENSIONS = {
    "time": ("s", -12, "pnuµm"),
    "energy": ("J", -18, "afpnuµm"),
    "power": ("W", -6, "uµm"),
    "frequency": ("Hz", 0, "kMG"),
    "length": ("m", -9, "nuµ"),
    "resistance": ("ohm", -6, "uµmkM"),
    "conductance": ("S", -12, "pnuµm"),
}
_TABLES: dict[str, dict[str, Fraction]] = {
    name: {p + base: Fraction(10) ** (_SI[p] - canon) for p in (*prefixes, "")}
    for name, (base, canon, prefixes) in _DIMENSIONS.items()
}
_TABLES["area"] = {"nm^2": Fraction(1), "um^2": Fraction(10**6), "µm^2": Fraction(10**6), "mm^2": Fraction(10**12)}
_TABLES["memory"] = {"b": Fraction(1), "bit": Fraction(1), "B": Fraction(8), "KB": Fraction(8192),
                     "MB": Fraction(8 * 1024**2), "GB": Fraction(8 * 1024**3)}
_TABLES["bandwidth"] = {"b/s": Fraction(1), "Gb/s": Fraction(10**9), "B/s": Fraction(8), "MB/s": Fraction(8 * 10**6),
                        "GB/s": Fraction(8 * 10**9)}
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*(\S+)\s*\Z")
_EXAMPLE = {"time": "100 ns", "energy": "1.5 pJ", "power": "16 mW", "frequency": "1.2 GHz", "area": "0.0096 mm^2",
            "memory": "64 KB", "bandwidth": "6.4 GB/s", "length": "32 nm", "resistance": "2 ohm",
            "conductance": "25 uS"}


def parse(text: Any, dimension: str) -> int:
    """The quantity `text` ("100 ns") in the dimension's canonical unit, as an integer.

    A bare 0 needs no unit.

    Raises:
        ValueError: not a quantity of that dimension, negative, or rounding would change it by over 1 %.
    """
    if isinstance(text, int) and not isinstance(text, bool) and text == 0:
        return 0
    if isinstance(text, str) and len(text) < 64:
        return _parsed(text, dimension)
    raise _no_quantity(text, dimension)


@lru_cache(maxsize=4096)  # all points of a sweep state the same quantities
def _parsed(text: str, dimension: str) -> int:
    """`parse` of a short text."""
    units = _TABLES[dimension]
    match = _NUMBER.match(text)
    if match is None or match[2] not in units:
        raise _no_quantity(text, dimension)
    exact = Fraction(match[1]) * units[match[2]]
    value = round(exact)
    if exact < 0:
        raise ValueError(f"must be {_named(dimension)} of at least 0, not {text!r}")
    if exact and abs(value - exact) > exact / 100:
        finest = next(name for name, size in units.items() if size == 1)
        raise ValueError(f"must be a whole number of {finest} to within 1 %, not {text!r}")
    return value


def _no_quantity(text: Any, dimension: str) -> ValueError:
    return ValueError(f"must be {_named(dimension)} with its unit ({', '.join(_TABLES[dimension])}), such as "
                      f"{_EXAMPLE[dimension]!r}, not {str(text)[:60]!r}")


def alike(text: str, limit: int) -> str | None:
    """`limit`, in canonical units, as a quantity of the dimension that `text` ("0 GB/s") has, in the largest unit that
    keeps it whole; None if `text` is no quantity."""
    match = _NUMBER.match(text)
    for units in _TABLES.values():
        if match is not None and match[2] in units:
            unit = max((u for u in units if limit % units[u] == 0), key=lambda u: units[u])
            return f"{limit / units[unit]} {unit}"
    return None


def _named(dimension: str) -> str:
    return f"{'an' if dimension[0] in 'ae' else 'a'} {dimension}"


def _reads(dimension: str) -> BeforeValidator:
    return BeforeValidator(lambda v: parse(v, dimension))


def _writes(dimension: str) -> PlainSerializer:
    """Dumped as JSON a quantity has its unit, so that it can be read again."""
    unit = next(name for name, size in _TABLES[dimension].items() if size == 1)
    return PlainSerializer(lambda v: f"{v} {unit}", str, when_used="json")


def _within(dimension: str, most: int) -> Any:
    return Field(ge=0, le=most, json_schema_extra={"type": "string", "examples": [_EXAMPLE[dimension]]})


Time = Annotated[int, _reads("time"), _writes("time"), _within("time", 10**15)]  # ps, up to 1000 s
Energy = Annotated[int, _reads("energy"), _writes("energy"), _within("energy", 10**21)]  # aJ, up to 1 mJ
Power = Annotated[int, _reads("power"), _writes("power"), _within("power", 10**12)]  # µW, up to 1 MW
Area = Annotated[int, _reads("area"), _writes("area"), _within("area", 10**18)]  # nm², up to 1 m²
Length = Annotated[int, _reads("length"), _writes("length"), _within("length", 10**6)]  # nm, up to 1 mm
Siemens = Annotated[int, _reads("conductance"), _writes("conductance"), _within("conductance", 10**12)]  # pS, up to 1 S
Ohms = Annotated[int, _reads("resistance"), _writes("resistance"), _within("resistance", 10**12)]  # µohm, up to 1 Mohm
Frequency = Annotated[int, _reads("frequency"), _writes("frequency"), _within("frequency", 10**12)]  # Hz
Memory = Annotated[int, _reads("memory"), _writes("memory"), _within("memory", 2**50)]  # bits
Bandwidth = Annotated[int, _reads("bandwidth"), _writes("bandwidth"), _within("bandwidth", 10**15)]  # bits per second
