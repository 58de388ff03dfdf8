"""Random changes of training images. What is drawn comes from the epoch's generator for a whole batch, so that it does
not depend on who computes which part of it."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from xbarch.specs.learning import Augment

_ASPECT = 4 / 3  # of a crop, at most, and its inverse at least (Szegedy et al., 2015)


@dataclass(frozen=True)
class Drawn:
    """What is drawn for n images: flip: bool [n]; moved: rows and columns [2, n], from 0 to 2 * shift; box: random
    numbers from 0 to 1 [4, n] that decide area, aspect ratio and place of a crop; None: unchanged. mixed: the share of
    the first of two images that are mixed, of the whole batch."""

    how: Augment
    flip: Tensor | None = None
    moved: Tensor | None = None
    box: Tensor | None = None
    mixed: float = 1.0

    def part(self, chosen: slice) -> Drawn:
        """What was drawn for some of the images."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return Drawn(**{key: value[..., chosen] if isinstance(value, Tensor) else value
                        for key, value in found.items()})

    def applied(self, x: Tensor) -> Tensor:
        """The images x [n, C, H, W] changed, but not yet mixed."""
        if self.box is not None:
            x = _cropped(x, self.box, self.how.area or 1.0)
        if self.flip is not None:
            x = torch.where(self.flip.to(x.device)[:, None, None, None], x.flip(3), x)
        return x if self.moved is None else _moved(x, self.moved.to(x.device), self.how.shift)


def draw(n: int, how: Augment | None, generator: torch.Generator) -> Drawn | None:
    """What is drawn for a batch of n images; None: nothing is."""
    if how is None:
        return None
    flip = torch.rand(n, generator=generator) < 0.5 if how.flip else None
    moved = torch.randint(2 * how.shift + 1, (2, n), generator=generator) if how.shift else None
    box = torch.rand(4, n, generator=generator) if how.area is not None else None
    mixed = 1.0
    if how.mixup:
        seed = int(torch.randint(2**62, (), generator=generator))
        mixed = float(np.random.default_rng(seed).beta(how.mixup, how.mixup))
    return Drawn(how, flip, moved, box, mixed)


def mix(x: Tensor, share: float) -> Tensor:
    """Each image with the one before it in the batch: share * itself + (1 - share) * the other."""
    return x if share == 1 else share * x + (1 - share) * x.roll(1, 0)


def _moved(x: Tensor, by: Tensor, most: int) -> Tensor:
    n, _, h, w = x.shape
    padded = F.pad(x, (most, most, most, most))
    rows = by[0][:, None] + torch.arange(h, device=x.device)
    columns = by[1][:, None] + torch.arange(w, device=x.device)
    every = torch.arange(n, device=x.device)[:, None, None]
    return padded[every, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _cropped(x: Tensor, box: Tensor, least: float) -> Tensor:
    """A random rectangle of each image at the whole size. Its sides, of the image's, are those of its area and aspect
    ratio, at most the whole."""
    area = least + (1 - least) * box[0]
    aspect = _ASPECT ** (2 * box[1] - 1)
    across, down = ((area * a).sqrt().clamp(max=1) for a in (aspect, 1 / aspect))
    theta = torch.zeros(len(x), 2, 3)
    theta[:, 0, 0], theta[:, 0, 2] = across, (1 - across) * (2 * box[2] - 1)
    theta[:, 1, 1], theta[:, 1, 2] = down, (1 - down) * (2 * box[3] - 1)
    grid = F.affine_grid(theta.to(x.device), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
