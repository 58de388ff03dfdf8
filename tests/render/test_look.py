"""The palette is told apart by people with each kind of colour blindness, and scales are read without colour."""

from itertools import combinations
from pathlib import Path
from re import findall

import numpy as np
import pytest

import xbarch
from xbarch.render import look

# Linear RGB as seen without one kind of cone: Machado, Oliveira and Fernandes, "A Physiologically-based Model for
# Simulation of Color Vision Deficiency", IEEE TVCG 2009, severity 1.
SEEN = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],  # sRGB, IEC 61966-2-1
                [0.0193339, 0.1191920, 0.9503041]])


def linear(colour):
    share = np.array([int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIE 1976 L*a*b*, white D65."""
    share = XYZ @ np.clip(rgb, 0, 1) / np.array([0.95047, 1, 1.08883])
    x, y, z = np.where(share > (6 / 29) ** 3, np.cbrt(share), share / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(one, two, cones):
    first, second = (lab(np.array(SEEN[cones]) @ linear(c)) for c in (one, two))
    return np.linalg.norm(first - second)


@pytest.mark.parametrize("cones", SEEN)
def test_colours_of_series_are_told_apart(cones):
    """By six times what is just seen (2.3, Mahy et al. 1994), whichever two stand side by side."""
    pairs = list(combinations(look.PALETTE, 2))
    assert min(distance(*pair, cones) for pair in pairs) > 6 * 2.3
    assert distance(look.BLUE, look.PALE_BLUE, cones) > 6 * 2.3




@pytest.mark.parametrize("cones", SEEN)
@pytest.mark.parametrize("scale", ["BLUES", "REDS"])
def test_scales_darken_evenly(scale, cones):
    light = [lab(np.array(SEEN[cones]) @ linear(look.shade(getattr(look, scale), n / 20)))[0] for n in range(21)]
    steps = -np.diff(light)
    assert steps.min() > 0.5 and sum(steps) > 50


def test_series_differ_in_colour_or_mark():
    kinds = [(look.colour(n), look.mark(n)) for n in range(len(look.PALETTE) * len(look.MARKS))]
    assert len(set(kinds)) == len(kinds)


def test_a_share_is_shaded_between_its_neighbours():
    assert look.shade(look.BLUES, -1) == look.BLUES[0] and look.shade(look.BLUES, 2) == look.BLUES[-1]
    assert look.shade(("#000000", "#0000ff"), 0.5) == "#000080"


def test_every_module_takes_its_colours_from_here():
    own = {path.name for path in Path(xbarch.__file__).parent.rglob("*.py") if path.name != "look.py"
           and set(findall(r'"#[0-9a-fA-F]{6}"', path.read_text(encoding="utf-8"))) - {'"#ffffff"'}}
    assert own <= {"boxes.py"}  # greys of block diagrams
