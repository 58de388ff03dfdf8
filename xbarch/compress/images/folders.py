"""Folders of images, read into memory where they are few and from their files when they are needed where not."""

from __future__ import annotations

import math
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xbarch.compress.images.parts import Files, Images, Parts, split
from xbarch.errors import InputError
from xbarch.specs.recipe import Data
from xbarch.specs.text import brief
from xbarch.support.extras import needs

_FEW = 2**28  # bytes of pixels that are read at once


def folder(spec: Data, seed: int) -> Parts:
    """path/train/CLASS/* and path/test/CLASS/* (or val), any image format that Pillow reads. Hidden files and folders,
    whose names start with a dot, are passed over."""
    assert spec.path is not None
    place = Path(spec.path)
    last = "test" if (place / "test").is_dir() else "val"
    names, tested = (_names(place / part) for part in ("train", last))
    if len(names) < 2:
        raise InputError("must hold train/CLASS/* and test/CLASS/*; train has fewer than two classes",
                         file=place, field="data.path")
    if other := [name for name in tested if name not in names]:
        raise InputError(f"{last} has the class {brief(other[0])}, which train has not; train has "
                         f"{brief(', '.join(names), 200)}", file=place, field="data.path")
    return split(_folder(place / "train", names, spec), _folder(place / last, names, spec), names, seed, spec)


def _names(place: Path) -> list[str]:
    return sorted(p.name for p in place.iterdir() if p.is_dir() and p.name[0] != ".") if place.is_dir() else []


def _folder(place: Path, names: list[str], spec: Data) -> Images:
    names_of = [_images_in(place / name) for name in names]
    if not any(names_of):
        raise InputError("has no images: they are CLASS/*, of the classes in train", file=place)
    labels = torch.arange(len(names)).repeat_interleave(torch.tensor([len(found) for found in names_of]))
    paths = np.concatenate([np.array([os.fsencode(f"{name}/{image}") for image in found], np.bytes_)
                            for name, found in zip(names, names_of, strict=True) if found])
    pixels = Files(place, paths, (spec.channels, *spec.rectangle), partial(read_image, spec=spec))
    return Images(pixels[:] if math.prod(pixels.shape) <= _FEW else pixels, labels)


def _images_in(place: Path) -> list[str]:
    """Names of a class's files."""
    if not place.is_dir():
        return []
    with os.scandir(place) as entries:
        return sorted(entry.name for entry in entries if entry.name[0] != "." and entry.is_file())


def read_image(path: Path, spec: Data) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """One image file as pixels [C, H, W]. Of `crop` the middle is kept; else the whole image is squeezed to the size
    asked for."""
    with needs("train", "a folder of images"):
        from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as found:
            image: Image.Image = found
            if image.mode.startswith(("I", "F")):  # 16 bits a pixel; Pillow itself would cut them off at 255
                image = Image.fromarray(_eight_bits(np.asarray(image)))
            small = _cut(image.convert("L" if spec.channels == 1 else "RGB"), spec)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"is not an image that can be read ({type(error).__name__})", file=path) from None
    return np.asarray(small).reshape(*spec.rectangle, spec.channels).transpose(2, 0, 1)


def _eight_bits(levels: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """65,535 as 255; fractions from 0 to 1 likewise."""
    top = 1 if levels.dtype.kind == "f" and levels.max(initial=0) <= 1 else 65535
    return np.rint(levels.astype(np.float64).clip(0, top) * (255 / top)).astype(np.uint8)


def _cut(image: Any, spec: Data) -> Any:
    """The image at the height and width asked for."""
    h, w = spec.rectangle
    if spec.crop is None:
        return image.resize((w, h))
    share = spec.crop * min(image.width / w, image.height / h)
    across, down = share * w, share * h
    left, top = (image.width - across) / 2, (image.height - down) / 2
    return image.resize((w, h), box=(left, top, left + across, top + down))
