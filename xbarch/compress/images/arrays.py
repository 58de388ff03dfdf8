"""Arrays of one's own as parts of a data set; `xbarch.workload.images.arrays` reads the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from xbarch.compress.images.parts import Images, Mapped, Parts, split
from xbarch.specs.recipe import Data
from xbarch.workload.images.arrays import Numbers
from xbarch.workload.images.arrays import arrays as read_arrays
from xbarch.workload.measures import classes_of


def arrays(spec: Data, seed: int) -> Parts:
    """The arrays of an .npz file. The user's model gets them in their own shapes: vectors [n, features], several inputs
    each for itself."""
    assert spec.path is not None
    found = read_arrays(Path(spec.path))
    train, test = (Images(_pixels(part.pixels, Path(spec.path)), torch.from_numpy(part.answers)) for part in found)
    classes = max(classes_of(part.answers) for part in found)
    shapes = found[0].shapes
    plain = len(shapes) == 1 and len(shapes[0]) == 3
    parts = split(train, test, [str(i) for i in range(classes)], seed, spec)
    return replace(parts, inputs=() if plain else shapes)


def _pixels(found: Numbers, file: Path) -> Tensor | Mapped:
    whole = torch.from_numpy(found)
    return Mapped(file, whole, torch.arange(len(whole))) if isinstance(found, np.memmap) else whole
