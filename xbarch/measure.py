"""Accuracy of a workload on a machine: what `xbarch accuracy` measures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Unpack

from xbarch.errors import InputError
from xbarch.request import Packings, Request, to_request
from xbarch.result.accuracy import Accuracy, Sample, measure
from xbarch.run import pack_network, prepare
from xbarch.specs.architecture import Architecture
from xbarch.specs.explain import shown
from xbarch.support import defaults
from xbarch.support.progress import Progress
from xbarch.workload.graph import Workload


def accuracy(arch: str | Path | Architecture | Request, workload: str | Path | Workload | None = None, *,
             noise: str | Path | None = None, images: int | None = None, draws: int | None = None,
             until: float | None = None, progress: Progress | None = None, **choices: Unpack[Packings]) -> Accuracy:
    """Classify test images through the packed crossbars, converter by converter, and with the integer network.

    `accuracy(request)`, or `accuracy(arch, workload, ...)` with the fields of `xbarch.Request` that decide the packing
    as keywords (datapath, options, overrides, bits, activation_bits, level_bits). The machine need not hold the whole
    network. Draws of devices that are finished are kept in the cache, so a call that was interrupted goes on where it
    stopped, and one for more draws makes those that are missing.

    Args:
        arch: a request, or an architecture: a path, a bundled name or a loaded one.
        workload: a stored workload: a path, a bundled name or a loaded one.
        noise: a bundled preset or a YAML file, in place of the architecture's noise; overrides change it further.
        images: test images; None: those of the request, else 1,000. Where the test part has fewer, all.
        draws: devices that are drawn, each for all images, where the architecture has noise; None: the request's.
        until: fewer are drawn where the half-width of the 95 % interval is at most that, such as 0.01.
        progress: called with (images done, images in all, what runs).

    Raises:
        InputError: the input is wrong, or the workload's test images do not travel with xbarch.
    """
    if until is not None and not (isinstance(until, int | float) and 0 < until < 1):
        raise InputError(f"must be a share above 0 and below 1, such as 0.01, not {shown(until)}", field="until")
    request = to_request(arch, workload, with_noise(noise, choices))
    asked = request.changed(accuracy=(request.accuracy or defaults.TESTED) if images is None else images,
                            draws=request.draws if draws is None else draws)
    setup = prepare(asked)
    assert asked.accuracy is not None
    with setup.blamed():
        setup.machine.refuse_stacked()
    return measure(setup.network, setup.path, setup.machine, pack_network(setup),
                   Sample(asked.accuracy, asked.draws, until, setup.draws_name), progress)


def with_noise(noise: str | Path | None, choices: Packings) -> Packings:
    """Choices of a run whose architecture has that noise in place of its own."""
    if noise is None:
        return choices
    return {**choices, "overrides": (f"noise={json.dumps({'preset': str(noise)})}", *choices.get("overrides", ()))}
