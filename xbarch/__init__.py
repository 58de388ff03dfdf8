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

    from xbarch.compress.importing.weights import import_weights as import_weights
    from xbarch.compress.training.run import train as train
    from xbarch.errors import CapacityError as CapacityError
    from xbarch.errors import ChangedError as ChangedError
    from xbarch.errors import IncompatibleError as IncompatibleError
    from xbarch.errors import InputError as InputError
    from xbarch.errors import XbarchError as XbarchError
    from xbarch.installation import doctor as doctor
    from xbarch.measure import accuracy as accuracy
    from xbarch.request import Request as Request
    from xbarch.result.accuracy import Accuracy as Accuracy
    from xbarch.result.result import Result as Result
    from xbarch.result.result import read as read
    from xbarch.run import execute as execute
    from xbarch.run import simulate as simulate
    from xbarch.run import verify as verify
    from xbarch.studies.accuracy.report import accuracy as accuracy_report
    from xbarch.studies.artifact.bundle import bundle as bundle
    from xbarch.studies.artifact.reproduce import reproduce as reproduce
    from xbarch.studies.claims.report import claims as claims
    from xbarch.studies.comparison.matrix import matrix as matrix
    from xbarch.studies.comparison.report import compare as compare
    from xbarch.studies.comparison.report import study as study
    from xbarch.studies.field.report import field as field
    from xbarch.studies.retention import Retention as Retention
    from xbarch.studies.retention import retention as retention
    from xbarch.studies.search.run import search as search
    from xbarch.studies.sweep.run import sweep as sweep
    from xbarch.workload.find import resolve as load

# Public names and the modules they come from. Imported on first use: `xbarch --help` and `validate` stay quick, and
# simulating needs no PyTorch.
_FROM = {
    "Accuracy": "result.accuracy", "CapacityError": "errors", "ChangedError": "errors", "IncompatibleError": "errors",
    "InputError": "errors", "Request": "request", "Result": "result.result", "Retention": "studies.retention",
    "XbarchError": "errors", "accuracy": "measure", "accuracy_report": "studies.accuracy.report",
    "bundle": "studies.artifact.bundle", "claims": "studies.claims.report", "compare": "studies.comparison.report",
    "doctor": "installation", "execute": "run", "field": "studies.field.report",
    "import_weights": "compress.importing.weights", "load": "workload.find", "matrix": "studies.comparison.matrix",
    "read": "result.result", "reproduce": "studies.artifact.reproduce", "retention": "studies.retention",
    "search": "studies.search.run", "simulate": "run", "study": "studies.comparison.report",
    "sweep": "studies.sweep.run", "train": "compress.training.run", "verify": "run",
}
_TRAIN = {"train": "training", "import_weights": "importing weights"}  # what needs the packages of an extra
_CALLED = {"load": "resolve", "accuracy_report": "accuracy"}  # in their modules, where that is another name

__all__ = [
    "Accuracy", "CapacityError", "ChangedError", "IncompatibleError", "InputError", "Request", "Result", "Retention",
    "XbarchError", "__version__", "accuracy", "accuracy_report", "bundle", "claims", "compare", "doctor", "execute",
    "field", "import_weights", "load", "matrix", "read", "reproduce", "retention", "search", "simulate", "study",
    "sweep", "train", "verify",
]


if not TYPE_CHECKING:  # a type checker takes a module with this function to have any name
    def __getattr__(name: str) -> Any:
        if name not in _FROM:
            raise AttributeError(f"module 'xbarch' has no attribute {name!r}")
        from importlib import import_module

        if name in _TRAIN:
            from xbarch.support.extras import needs

            with needs("train", _TRAIN[name]):
                import_module(f"xbarch.{_FROM[name]}")
        return getattr(import_module(f"xbarch.{_FROM[name]}"), _CALLED.get(name, name))


def __dir__() -> list[str]:
    return sorted(__all__)
