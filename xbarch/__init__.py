"""xbarch: a discrete-event, system-level simulator of crossbar DNN accelerators.

>>> import xbarch
>>> result = xbarch.simulate("isaac_like", "resnet18_pruned")
>>> result["throughput.images_per_second"]
"""

from __future__ import annotations

import logging

from xbarch.support.about import __version__

logging.getLogger("xbarch").addHandler(logging.NullHandler())

TYPE_CHECKING = False
if TYPE_CHECKING:  # as in `typing`, which takes longer to load than all that is here
    from typing import Any

__all__ = ["__version__", "execute", "load", "read", "simulate", "take", "train", "verify"]


def __getattr__(name: str) -> Any:
    # Imported on first use: `xbarch --help` and `validate` stay quick, and simulating needs no torch.
    if name in ("simulate", "execute", "verify"):
        from xbarch import run

        return getattr(run, name)
    if name == "train":
        from xbarch.compress.training.run import train

        return train
    if name == "take":
        from xbarch.compress.intake.checkpoint import take

        return take
    if name == "load":
        from xbarch.workload.find import resolve

        return resolve
    if name == "claims":
        import importlib

        return importlib.import_module("xbarch.claims")
    if name == "accuracy":
        from xbarch.studies.accuracy.report import accuracy

        return accuracy
    if name == "read":
        from xbarch.result.result import read

        return read
    raise AttributeError(f"module 'xbarch' has no attribute {name!r}")
