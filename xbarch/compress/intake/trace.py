"""A PyTorch model becomes a layer graph with its parameters, by `torch.export`."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any

import torch
from torch import Tensor, nn

from xbarch.compress.intake.equal import check_equal
from xbarch.compress.intake.graph import ModelGraph, Shape
from xbarch.compress.intake.operations import HANDLERS
from xbarch.compress.intake.reader import Reader
from xbarch.errors import InputError
from xbarch.specs.text import brief


def trace_model(model: nn.Module, shape: Shape, images: Tensor | None = None,
                signed: bool = False) -> ModelGraph:
    """The layer graph of `model` for images of `shape` (channels, height, width), which computes what the model does.

    Batch norm is attached to its convolution or linear layer, ReLU becomes a flag of the layer before it,
    dropout disappears.

    Args:
        images: a few real ones [n, C, H, W], on which graph and model must agree beside random ones.
        signed: whether images have values below zero.

    Raises:
        InputError: the model cannot be exported, uses an operation that crossbar accelerators do not run, or computes
            something else than the graph that was read.
    """
    example = prepare(model, shape)
    with guarded(f"cannot be exported for images of {shape}"), quiet(), torch.no_grad():
        program: Any = torch.export.export(model, (example,)).run_decompositions({})
    reader = Reader(program, shape, HANDLERS, signed)
    try:
        graph = reader.read()
    except InputError:
        raise
    except Exception as error:  # an operation with arguments that no handler knows
        text = brief(" ".join(str(error).split()), 150)
        raise InputError(f"cannot be mapped to layers ({type(error).__name__}: {text})", field="model") from None
    with quiet():
        check_equal(model, program, reader, graph, images)
    return graph


def prepare(model: nn.Module, shape: Shape) -> Tensor:
    """Run the model once, in evaluation mode, so that lazy modules know their shapes. Returns the image of zeros."""
    example = torch.zeros(1, *shape)
    with guarded(f"cannot be exported for images of {shape}"), quiet(), torch.no_grad():
        model.eval()(example)
    return example


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Whatever the user's code raises, or does to leave the interpreter, is one sentence."""
    try:
        yield
    except (InputError, KeyboardInterrupt):
        raise
    except BaseException as error:
        text = brief(" ".join(str(error).split()) or type(error).__name__, 200)
        raise InputError(f"{what}: {text}", field="model") from None


@contextmanager
def quiet() -> Iterator[None]:
    """PyTorch prints its graphs and logs what fails; one sentence says it all. Logging is left as it was found."""
    level = logging.root.manager.disable
    logging.disable(max(level, logging.CRITICAL))
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
