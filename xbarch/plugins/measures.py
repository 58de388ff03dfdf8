"""Measures by name: those that come with xbarch, a package's, or a function in a file of the user's own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xbarch.errors import InputError
from xbarch.plugins.guard import described, restrained
from xbarch.specs.explain import unknown
from xbarch.specs.text import brief
from xbarch.support import packages
from xbarch.support.files import is_file
from xbarch.workload.measures import BUNDLED, Answers, Measure, Reals, Shapes

GROUP = "xbarch.measures"


class Own(Measure):
    """A user's function of (outputs, answers): one number for each image, of which the value is the mean. `outputs` is
    an array [images, ...], or a tuple of them where the network returns several. `larger = False` on the function says
    that less is better."""

    share, order = False, False

    def __init__(self, name: str, call: Callable[..., Any]) -> None:
        self.name, self.call = name, call
        self.label = getattr(call, "__name__", "measure").replace("_", " ")
        self.larger = bool(getattr(call, "larger", True))

    def refuse(self, shapes: Shapes, answers: Answers, classes: int) -> str:
        return ""

    def counts(self, outputs: Sequence[Reals], answers: Answers) -> Reals:
        try:
            with restrained(limited=False):
                given = self.call(outputs[0] if len(outputs) == 1 else tuple(outputs), answers)
                found = np.asarray(given, np.float64)
        except (Exception, SystemExit) as error:
            raise InputError(f"the measure {brief(self.name, 80)} raised {described(error)}",
                             field="measure") from error
        if found.shape != (len(answers),) or not np.isfinite(found).all():
            raise InputError(f"the measure {brief(self.name, 80)} must return one finite number for each of "
                             f"{len(answers)} images, not {brief(given, 80)}", field="measure")
        return np.stack([found, np.ones(len(found))], axis=1)

    def value(self, totals: Reals) -> Reals:
        return np.asarray(totals[..., 0] / totals[..., 1])


def find(name: str) -> Measure:
    """The measure of that name: a bundled one, an entry point of the group `xbarch.measures`, or "path.py:function",
    whose file is run.

    Raises:
        InputError: there is none, or it is no function.
    """
    if name in BUNDLED:
        return BUNDLED[name]
    place, _, function = name.rpartition(":")
    if place:
        return Own(name, _called(name, _executed(Path(place)), function))
    points = packages.points(GROUP, "measure")
    if name not in points:
        raise InputError(f"{unknown('measure', name, sorted({*BUNDLED, *points}))}, or path.py:function",
                         field="measure")
    try:
        with restrained(limited=False):
            found = points[name].load()
    except Exception as error:
        raise InputError(f"the measure {brief(name, 80)} cannot be imported: {described(error)}",
                         field="measure") from error
    return Own(name, _is_function(name, found))


def _called(name: str, module: object, function: str) -> Callable[..., Any]:
    found = getattr(module, function, None)
    if found is None:
        raise InputError(f"{brief(name, 80)}: the file defines no {brief(function)!r}", field="measure")
    return _is_function(name, found)


def _is_function(name: str, found: Any) -> Callable[..., Any]:
    if not callable(found):
        raise InputError(f"{brief(name, 80)} must be a function of outputs and answers, not {type(found).__name__}",
                         field="measure")
    call: Callable[..., Any] = found
    return call


def _executed(file: Path) -> object:
    if file.suffix != ".py" or not is_file(str(file)):
        raise InputError(f"no such Python file: {brief(str(file), 80)}", field="measure")
    spec = importlib.util.spec_from_file_location(f"xbarch_measure_{file.stem}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        with restrained(limited=False):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise InputError(f"cannot be imported: {described(error)}", file=file) from error
    return module
