"""Arrays of an .npz file that stay in it: parts are read when they are needed, so that no memory holds the whole."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

LEAST = 2**30  # bytes; smaller arrays are read
_HEADER = 30  # bytes of a file's header in a zip archive, before its name
_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def mapped(file: Path, name: str) -> np.memmap[Any, Any] | None:
    """An array where it lies in the file; None where it is small, compressed or not numbers in the order of C."""
    with zipfile.ZipFile(file) as archive:
        entry = archive.getinfo(f"{name}.npy")
    if entry.file_size < LEAST or entry.compress_type != zipfile.ZIP_STORED:
        return None
    with file.open("rb") as stream:
        stream.seek(entry.header_offset)
        header = stream.read(_HEADER)
        stream.seek(sum(int.from_bytes(header[at:at + 2], "little") for at in (26, 28)), 1)  # its name, extra fields
        read = _READERS.get(np.lib.format.read_magic(stream))
        shape, fortran, kind = ((), True, np.dtype(object)) if read is None else read(stream)
        if fortran or kind.hasobject:
            return None
        return np.memmap(file, kind, "c", stream.tell(), shape)  # PyTorch takes only what may be written to
