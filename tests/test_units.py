"""Quantities are read exactly."""

import pytest

from xbarch.units import parse


@pytest.mark.parametrize(("text", "dimension", "value"), [
    ("100 ns", "time", 100_000), ("0.78125 ns", "time", 781), ("1.28 GHz", "frequency", 1_280_000_000),
    ("16 mW", "power", 16_000), ("0.0096 mm^2", "area", 9_600_000_000), ("1.5625 pJ", "energy", 1_562_500),
    ("64 KB", "memory", 64 * 1024 * 8), ("6.4 GB/s", "bandwidth", 51_200_000_000), (0, "time", 0), ("7 ps", "time", 7),
])
def test_canonical_integers(text, dimension, value):
    assert parse(text, dimension) == value


@pytest.mark.parametrize("text", ["100", 100, "100 mW", "-1 ns", "nan ns", "1e9999 ns",
                                  True, None, 1.5, "0.1 fs", "1 n s"])
def test_refused_with_what_is_allowed(text):
    with pytest.raises(ValueError, match="must be a time"):
        parse(text, "time")


def test_too_fine_is_refused():
    with pytest.raises(ValueError, match="whole number of ps to within 1 %"):
        parse("0.3 ps", "time")
