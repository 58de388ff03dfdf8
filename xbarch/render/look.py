"""One look for every picture: colours, marks and the settings of matplotlib.

The colours are those of Okabe and Ito (2008, "Color Universal Design"), without their yellow, which is too pale on
white: people with any of the three kinds of colour blindness tell them apart. Where there are more series than colours,
marks differ too. Scales of amounts go from pale to dark, so that they can be read without colour.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from xbarch.support import numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, RED, GREEN = "#0072b2", "#d55e00", "#009e73"
PALETTE = (BLUE, RED, GREEN, "#cc79a7", "#56b4e9", "#e69f00", "#000000")
MARKS = "osD^vP*X<>hp"
PALE_BLUE = "#a6c8e0"  # beside BLUE: the rest of a bar
OTHERS = "#c5ccd1"  # all that has no colour of its own
INK, GREY, UNUSED = "#1c2730", "#7a868e", "#f4f6f7"
BLUES = ("#d7e6f5", "#aacfe5", "#68acd5", "#3383be", "#0d57a1", "#08306b")  # ColorBrewer
REDS = ("#fef0d9", "#fdd49e", "#fdbb84", "#fc8d59", "#e34a33", "#b30000")  # ColorBrewer
FORMATS = ("svg", "png", "pdf")

_STYLE: dict[str, Any] = {
    "svg.hashsalt": "xbarch", "svg.fonttype": "none", "pdf.fonttype": 42, "font.size": 9, "axes.spines.top": False,
    "axes.spines.right": False, "axes.titlesize": 10, "axes.titleweight": "bold", "text.parse_math": False,
    "font.sans-serif": ["DejaVu Sans", "Arial", "Liberation Sans"]}


def colour(place: int) -> str:
    """Of the n-th series; colours repeat."""
    return PALETTE[place % len(PALETTE)]


def mark(place: int) -> str:
    """Of the n-th series: differs from those of the others with its colour, as the two lengths have no divisor."""
    return MARKS[place % len(MARKS)]


def shade(colours: Sequence[str], share: float) -> str:
    """The colour at a share of the way from the palest to the darkest."""
    place = min(1.0, max(0.0, share)) * (len(colours) - 1)
    at = min(int(place), len(colours) - 2)
    pairs = [[int(colour[i:i + 2], 16) for i in (1, 3, 5)] for colour in colours[at:at + 2]]
    return "#" + "".join(f"{round(a + (b - a) * (place - at)):02x}" for a, b in zip(*pairs, strict=True))


@contextmanager
def styled(**own: Any) -> Iterator[None]:
    """The look of every figure. own: further settings of matplotlib, dots as double underscores."""
    import matplotlib

    with matplotlib.rc_context({**_STYLE, **{k.replace("__", "."): v for k, v in own.items()}}), \
            warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a letter that no installed font has is drawn as a box
        yield


def saved(figure: Figure, kind: str = "svg", dpi: int = 140) -> bytes:
    """A figure as bytes of a format in `FORMATS`, the same for the same figure; inside `styled`. Text stays text.
    Whatever it says is made harmless here, wherever it comes from."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if (lines := text.get_text()) and not lines.replace("\n", "").isprintable():
            text.set_text("\n".join(numbers.plain(line) for line in lines.split("\n")))
    metadata = {"svg": {"Date": None}, "png": {"Software": None}, "pdf": {"CreationDate": None}}[kind]
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, dpi=dpi, metadata=metadata)
    return stream.getvalue()
