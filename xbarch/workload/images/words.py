"""Ten synthesised words as images of log-mel energies.

`words.npz` is made by `python -m benchmarks.words`: eSpeak NG (GPL-3.0, which does not cover what it says) says ten
words of Speech Commands in several accents and voices at random pitch, speed and level, in noise. Features are those of
`xbarch.compress.images.speech`. No voice is in two parts.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from xbarch.workload.images.digits import Part

__all__ = ["WORDS", "Part", "words"]

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
FILE = Path(__file__).with_name("words.npz")


def words() -> tuple[Part, Part, Part]:
    """Train, validation and test part; pixels uint8 [n, 1, 41, 40], labels the numbers of `WORDS`."""
    with np.load(FILE) as found:
        train, val, test = (Part(found[f"{part}_pixels"], found[f"{part}_labels"].astype(np.int64))
                            for part in ("train", "val", "test"))
    return train, val, test
