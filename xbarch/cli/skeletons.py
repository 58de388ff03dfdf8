"""Commands that write a working skeleton: new datapath, new unit, new architecture, new study ..."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xbarch.cli.arguments import folder
from xbarch.cli.terminal import wrote

KINDS = {  # command -> what it does; the command's name is the kind of skeleton
    "datapath": "Write a Python package with a working data path.",
    "unit": "Write a Python package with a working sensing unit.",
    "process": "Write a Python package with a working unit process.",
    "noise": "Write a Python package with a working effect of real devices.",
    "architecture": "Write a valid architecture with comments to start from.",
    "study": "Write a comparison of data paths with comments to start from, for `xbarch compare`.",
    "sweep": "Write a sweep with comments to start from, for `xbarch sweep`.",
}


def skeleton(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, and the package's: lower case, such as a_b1.")],
    out: Annotated[Path | None, folder(
        "Output folder (default: ./NAME); of a single file, that file (default: ./NAME.yaml).")] = None,
) -> None:
    """Write the skeleton of the kind that the command is called by."""
    from xbarch.plugins.new import new

    wrote(new(str(context.info_name), name, out))
