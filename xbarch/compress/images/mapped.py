"""Arrays that stay in their .npz file and are read where they are needed."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

Numbers = np.ndarray[Any, np.dtype[Any]]
_HEAD = 30  # bytes of a ZIP entry's own header before its name; lengths of name and extra field are at 26 and 28


def mapped(file: Path, name: str) -> Numbers | None:
    """The array `name` of an .npz file as a map of the file; None where it is compressed (`numpy.savez_compressed`) or
    of a layout that cannot be mapped."""
    with zipfile.ZipFile(file) as archive, file.open("rb") as stream:
        entry = archive.getinfo(f"{name}.npy")
        if entry.compress_type != zipfile.ZIP_STORED:
            return None
        stream.seek(entry.header_offset)
        head = stream.read(_HEAD)
        stream.seek(int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"), 1)
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            return None
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, kind = read(stream)
        if fortran or kind.hasobject:
            return None
        found: Numbers = np.memmap(file, kind, "r", stream.tell(), shape)
        return found


@dataclass(frozen=True)
class Mapped:
    """Pixels in a file. array: shaped [n, C, H, W]; chosen: its rows, in order; values: makes pixels of them."""

    file: Path
    array: Numbers
    chosen: Tensor
    values: Callable[[Numbers], Numbers]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.chosen), *self.array.shape[1:])

    @property
    def files(self) -> tuple[Path, ...]:
        """Where the pixels come from."""
        return (self.file,)

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        return torch.from_numpy(self.values(np.ascontiguousarray(self.array[self.chosen[index].numpy()])))

    def take(self, index: Tensor) -> Mapped:
        """Some of the rows."""
        return replace(self, chosen=self.chosen[index])
