"""Tables of the terminal: no word and no number is broken, whatever the width."""

import io
import re
from collections import Counter
from itertools import chain
from random import Random

import pytest
from rich.console import Console

from xbarch.render.tables import echo, table

WORDS = ["layer", "crossbars", "per", "copy", "mismatches", "energy", "(scope", "chip)"]
NUMBERS = ["0", "229,885", "2.18 µJ", "1,371", "2,441 (bound by crossbars)", "0.84×", "99.3%"]
NUMBER = re.compile(r"[^ (]+(?: µJ)?")


def printed(made, width):
    console = Console(file=io.StringIO(), width=width, highlight=False)
    echo(console, made)
    return console.file.getvalue()


@pytest.mark.parametrize("seed", range(60))
def test_words_and_numbers_stay_whole(seed):
    """Every row and head in each width, its names again in every table, and no line wider than there is room."""
    rng = Random(seed)
    words, columns, width = rng.randint(1, 2), rng.randint(3, 6), rng.randint(40, 130)
    heads = [" ".join(rng.choices(WORDS, k=rng.randint(1, 6))) for _ in range(columns)]
    rows = [[" ".join(rng.choices(WORDS, k=rng.randint(1, 6))) if i < words else rng.choice(NUMBERS)
             for i in range(columns)] for _ in range(rng.randint(1, 4))]
    text = printed(table("t", heads, rows, words), width)
    assert max(map(len, text.splitlines())) <= width
    cells = [*heads, *(cell for row in rows for cell in row)]
    assert not Counter(" ".join(cells).split()) - Counter(text.split())
    for number in {NUMBER.match(cell).group() for row in rows for cell in row[words:]}:
        own = sum(NUMBER.match(cell).group() == number for row in rows for cell in row[words:])
        assert text.count(number) >= own
    tables = text.count("─\n")
    assert Counter(text.split())[rows[0][0].split()[0]] >= tables


@pytest.mark.parametrize("group", [1, 2, 3])
def test_columns_of_a_group_stay_in_one_table(group):
    heads = ["name", "first", *(f"{what}{n}" for n in range(6) for what in ("value", "gain", "error")[:group])]
    text = printed(table("t", heads, [["x" * 12, *("1,234,567" for _ in heads[1:])]], 1, group), 60)
    above = [line.split() for line in text.splitlines() if "name" in line]
    assert len(above) > 1 and sorted(chain(*above)) == sorted([*heads, *["name"] * (len(above) - 1)])
    for line in above:
        assert all((f"gain{n}" in line) == (f"value{n}" in line) for n in range(6) if group > 1)
        assert all((f"error{n}" in line) == (f"value{n}" in line) for n in range(6) if group > 2)


def test_a_hostile_name_is_cut_and_its_values_are_not():
    name = "w" * 300
    text = printed(table("t", ["name", "number", "words"], [[name, "1,234,567.89 µJ", "as it is"]], 1), 40)
    assert max(map(len, text.splitlines())) <= 40
    assert text.count("w") - text.count("words") == 300 * text.count("─\n")
    assert "1,234,567.89 µJ" in text


@pytest.mark.parametrize("width", [40, 80])
def test_room_that_is_left_is_used(width):
    made = table("t", ["layer", "what it says"], [["conv1", "some words that want a line of their own"]], 2)
    lines = printed(made, width).splitlines()
    assert max(map(len, lines)) <= width and len(lines) == (4 if width == 80 else 5)


def test_a_long_name_takes_several_lines():
    name = "backbone.layer4.downsample.projection.0"
    text = printed(table("t", ["layer", "n"], [[name, "1"]]), 30)
    assert "".join(line.split()[0] for line in text.splitlines()[3:]) == name
