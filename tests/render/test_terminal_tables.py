"""Tables of the terminal: no word and no number is broken, whatever the width."""

import io
from random import Random

import pytest
from rich.console import Console

from xbarch.render.tables import echo, table

WORDS = ["layer", "crossbars", "per", "copy", "mismatches", "energy", "(scope", "chip)"]
NUMBERS = ["0", "229,885", "2.18 µJ", "1,371", "2,441 (bound by crossbars)", "0.84×", "99.3%"]


def printed(made, width):
    console = Console(file=io.StringIO(), width=width, highlight=False)
    echo(console, made)
    return console.file.getvalue()


@pytest.mark.parametrize("seed", range(60))
def test_words_and_numbers_stay_whole(seed):
    rng = Random(seed)
    words, columns, width = rng.randint(1, 2), rng.randint(3, 6), rng.randint(40, 130)
    heads = [" ".join(rng.choices(WORDS, k=rng.randint(1, 6))) for _ in range(columns)]
    rows = [[" ".join(rng.choices(WORDS, k=rng.randint(1, 6))) if i < words else rng.choice(NUMBERS)
             for i in range(columns)] for _ in range(rng.randint(1, 4))]
    text = printed(table("t", heads, rows, words), width)
    said = text.replace("\u00a0", " ")
    left = said.split()
    for cell in [*heads, *(cell for row in rows for cell in row)]:
        for word in cell.split():
            left.remove(word)  # as often as it is in the table
    for number in {cell for row in rows for cell in row[words:]}:
        assert said.count(number) >= sum(row[words:].count(number) for row in rows)
    least = sum(max(len(part) for cell in [heads[i], *(row[i] for row in rows)]
                    for part in (cell.split() if i < words or cell == heads[i] else [cell])) for i in range(columns))
    assert max(map(len, text.splitlines())) <= max(width, least + 2 * columns)


@pytest.mark.parametrize("width", [40, 80])
def test_room_that_is_left_is_used(width):
    made = table("t", ["layer", "what it says"], [["conv1", "some words that want a line of their own"]], 2)
    lines = printed(made, width).splitlines()
    assert max(map(len, lines)) <= width and len(lines) == (4 if width == 80 else 5)


def test_a_long_name_takes_several_lines():
    name = "backbone.layer4.downsample.projection.0"
    text = printed(table("t", ["layer", "n"], [[name, "1"]]), 30)
    assert "".join(line.split()[0] for line in text.splitlines()[3:]) == name
