"""xbarch: a discrete-event, system-level simulator of crossbar DNN accelerators.

>>> import xbarch
>>> result = xbarch.simulate("isaac_like", "resnet18_pruned")
>>> result["throughput.images_per_second"]
"""

from __future__ import annotations

from xbarch.support.about import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:  # as in `typing`, which takes longer to load than all that is here
    from typing import Any

__all__ = ["__version__", "execute", "import_weights", "load", "read", "simulate", "train", "verify"]


def __getattr__(name: str) -> Any:
    # Imported on first use: `xbarch --help` and `validate` stay quick, and simulating needs no torch.
    if name in ("simulate", "execute", "verify"):
        from xbarch import run

        return getattr(run, name)
    if name == "train":
        from xbarch.support.extras import needs

        with needs("train", "training"):
            from xbarch.compress.training.run import train

        return train
    if name == "import_weights":
        from xbarch.support.extras import needs

        with needs("train", "importing weights"):
            from xbarch.compress.importing.weights import import_weights

        return import_weights
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
