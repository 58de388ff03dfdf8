"""A PyTorch model becomes a layer graph with its parameters, by `torch.export`."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import torch
from torch import nn

from xbarch.compress.intake.graph import ModelGraph, Shape
from xbarch.compress.intake.operations import Reader
from xbarch.errors import InputError
from xbarch.specs.text import brief


def trace_model(model: nn.Module, shape: Shape) -> ModelGraph:
    """The layer graph of `model` for images of `shape` (channels, height, width).

    Batch norm is attached to its convolution or linear layer, ReLU becomes a flag of the layer before it,
    dropout disappears.

    Raises:
        InputError: the model cannot be exported, or uses an operation that crossbar accelerators do not run.
    """
    example = torch.zeros(1, *shape)
    try:
        with _quiet(), torch.no_grad():
            model.eval()(example)  # shapes of lazy modules
            program = torch.export.export(model, (example,)).run_decompositions({})
    except (Exception, SystemExit) as error:  # the user's code may leave the interpreter
        text = brief(" ".join(str(error).split()) or type(error).__name__, 200)
        raise InputError(f"cannot be exported for images of {shape}: {text}", field="model") from None
    return Reader(program, shape).read()


@contextmanager
def _quiet() -> Iterator[None]:
    """PyTorch prints its graphs and logs what fails; one sentence says it all. Logging is left as it was found."""
    level = logging.root.manager.disable
    logging.disable(max(level, logging.CRITICAL))
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
