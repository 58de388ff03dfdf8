"""Checkpoint files before they are read: what format they have, and that they do not grow. Needs no PyTorch."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

from xbarch.errors import InputError
from xbarch.specs.text import brief
from xbarch.support.files import is_file

Format = Literal["zip", "pickle", "safetensors"]
GROWTH = 16  # times that a compressed checkpoint may grow; torch.save does not compress at all
_SMALL = 2**26  # bytes that any may grow to
_HEADER = 100_000_000  # bytes, the safetensors format's own limit


def check_archive(name: str, field: str) -> Format:
    """The format of a checkpoint: `torch.save`'s zip archive or the pickle of PyTorch before 1.6, or safetensors.

    Raises:
        InputError: no such file, none of these formats, or an archive that expands to far more than its size.
    """
    if not is_file(name):
        raise InputError(f"no such file: {brief(name, 80)}", field=field)
    try:
        with Path(name).open("rb") as stream:
            start = stream.read(9)
            if zipfile.is_zipfile(stream):
                _check_zip(name)
                return "zip"
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=name) from None
    if start[:1] == b"\x80":
        return "pickle"
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= _HEADER:
        return "safetensors"
    raise InputError("is not a checkpoint or is cut off: it must be a state dict saved by torch.save(), or a "
                     "safetensors file", file=name)


def _check_zip(name: str) -> None:
    """What the archive holds, and that it does not grow. Sizes are those declared in its directory; PyTorch reads no
    more than them."""
    try:
        with zipfile.ZipFile(name) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise InputError(f"is not a readable archive ({brief(error, 100)})", file=name) from None
    packed, size = Path(name).stat().st_size, sum(entry.file_size for entry in entries)
    if size > max(_SMALL, GROWTH * packed):
        raise InputError(f"expands from {packed:,} to {size:,} bytes; save it again with torch.save(), which does not "
                         "compress", file=name)
    inside = {entry.filename.partition("/")[2] for entry in entries}
    if "constants.pkl" in inside:
        raise InputError("is a TorchScript program, whose code is not run; save its weights alone: "
                         "torch.save(torch.jit.load(file).state_dict(), other)", file=name)
    if "archive_format" in inside or any(entry.filename == "serialized_exported_program.json" for entry in entries):
        raise InputError("is an exported program, not a state dict; give it as the model", file=name)
    if "data.pkl" not in inside:
        raise InputError("is an archive, but none that torch.save() wrote; save the weights with "
                         "torch.save(model.state_dict(), file)", file=name)
