"""Numbers and names as people read them."""

import pytest

from xbarch.support import numbers


def test_units():
    assert numbers.energy(0) == "0 J" and numbers.energy(1.5e12) == "1.5 µJ" and numbers.energy(10**18) == "1 J"
    assert numbers.number(31750.4) == "31,750"
    assert numbers.time(999) == "999 ps" and numbers.time(1.5e6) == "1.5 µs"
    assert numbers.number(1234567) == "1,234,567" and numbers.number(0.125) == "0.125"
    assert numbers.plain("a\x1b[0mb\n") == "a?[0mb?"


def test_no_character_is_obeyed():
    """Whatever Unicode has that is no letter, mark, number, sign or space: controls, direction marks, private use."""
    shown = numbers.plain("".join(map(chr, range(0x110000))))
    assert shown.isprintable() and len(shown) == 0x110000
    for bad in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\ufffe\uffff\x7f\x85\u2028":
        assert bad not in shown


def test_amounts_of_texts_are_in_the_order_of_their_values():
    """Of whatever the other functions write, over all their units."""
    values = [10**power * digit for power in range(20) for digit in (1, 2, 5)]
    for write in (numbers.energy, numbers.time, numbers.number, numbers.area):
        read = [numbers.amount(write(value)) for value in values]
        assert read == sorted(read) and len(set(read)) == len(set(map(write, values)))
    assert numbers.amount("1.5 µJ") == pytest.approx(1.5e-6) and numbers.amount("1,234 ms") == pytest.approx(1.234)
    assert numbers.amount("\N{MINUS SIGN}0.5") == -0.5 and numbers.amount("+2 points") == 2
    assert numbers.amount("0.84× (bus / crossbars)") == 0.84 and numbers.amount("12 mm²") == 12
    assert numbers.amount("–") is None and numbers.amount("not known") is None


def test_signs():
    """A hyphen is no minus sign."""
    assert [numbers.signed(v) for v in (0.28, -3.344, 0)] == ["+0.28", "\N{MINUS SIGN}3.34", "+0.00"]
    assert numbers.typeset(f"{-1.5:g}") == "\N{MINUS SIGN}1.5"
