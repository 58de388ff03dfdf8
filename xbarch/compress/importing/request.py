"""What an import asks for, checked before PyTorch is loaded and before anything is read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, model_validator

from xbarch.compress.factory import REFERENCE, is_program, split
from xbarch.errors import InputError
from xbarch.plugins.measures import find as find_measure
from xbarch.specs.explain import explain
from xbarch.specs.model import Spec
from xbarch.specs.recipe import Data, Quantization, Shape
from xbarch.specs.text import brief, dotted
from xbarch.support.files import is_file, is_folder

_IMAGES = ("digits, digit_pairs, mnist, speech, an .npz file, or a folder of CIFAR's, MNIST's or Speech Commands' "
           "files or of images")


MODULE = "a module of torch.nn"  # the model of a request whose model is an object


class ImportRequest(Spec):
    """One checkpoint to import; stored as the `recipe` of the workload's manifest."""

    kind: Literal["imported"] = "imported"
    model: str = Field(max_length=4096, description="a reference model, path.py:factory, module:factory, or a file "
                       ".onnx or .pt2")
    width: int | None = Field(None, ge=1, le=4096, description="filters of a reference model's first stage")
    classes: int | None = Field(None, ge=2, le=1_000_000, description="scores of a reference model; default: as many "
                                "as the data has classes")
    checkpoint: str | None = Field(None, max_length=4096, description="the model's state dict; none for a model that "
                                   "brings its weights")
    data: Data
    quantization: Quantization = Quantization(weight_scale="lsq", weight_step="filter")
    method: str = Field(max_length=100, description="data path")
    options: dict[str, Any] = Field(default_factory=dict, description="options of the data path")
    geometry: Shape = Field(Shape(), description="the crossbar that weights are checked and pruned for")
    density: float | None = Field(None, gt=0, le=1, description="of the pruned layers; none: weights as they are")
    layers: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(
        default_factory=dict, description="densities of single layers")
    zeros: Literal["auto", "masked", "kept"] = Field(
        "auto", description="weights that are zero where the checkpoint has no mask; auto keeps those of integers")
    batch_norm: Literal["keep", "refit"] = Field("keep", description="statistics as trained, or measured again on the "
                                                  "quantized network")
    calibration: Literal["squared_error", "percentile"] = Field(
        "squared_error", description="how clips of activations are chosen: least squared error, or a percentile")
    percentile: float = Field(99.99, gt=50, le=100, description="of an activation's magnitudes, in percent")
    seed: int = Field(0, ge=0, lt=2**31, description="of the data's split and of the images calibrated on")
    threads: int = Field(1, ge=1, le=1024, description="CPU threads")
    stored_images: int = Field(4, ge=1, le=64, description="test images whose activations are stored")
    crossbar_images: int | None = Field(None, ge=0, le=10**6, description="test images classified through packed "
                                        "crossbars; default: up to 32 where the network is small enough")
    measure: str | None = Field(None, max_length=4096, description="what accuracy is: top1, pixel_accuracy, mean_iou, "
                                "mse, correlation, an entry point, or path.py:function; default: what suits the data")

    @model_validator(mode="after")
    def _complete(self) -> ImportRequest:
        if self.layers and self.density is None:
            raise ValueError("layers: densities of single layers need a density for the others")
        return self


def check_request(fields: Mapping[str, Any]) -> ImportRequest:
    """The request that `fields` describe.

    Raises:
        InputError: a field is wrong or missing, or the model or the checkpoint is not there.
    """
    if "name" not in fields.get("data", {}):
        raise InputError(f"an import needs images to set scales and to measure accuracy: {_IMAGES}", field="data")
    try:
        request = ImportRequest.model_validate(fields)
    except ValidationError as error:
        message, trail = explain(error, fields, ImportRequest)
        raise InputError(message, field=dotted(trail)) from None
    own = request.model == MODULE or (request.model not in REFERENCE and is_program(request.model))
    if request.model not in REFERENCE and not own:
        split(request.model)
    if request.checkpoint is None and not own:
        raise InputError("must be a checkpoint of the model; a file .onnx or .pt2 and a module of torch.nn bring their "
                         "own", field="weights")
    if request.checkpoint is not None and not is_file(request.checkpoint):
        raise InputError(f"no such file: {brief(request.checkpoint, 80)}", field="weights")
    if request.measure is not None:
        find_measure(request.measure)
    return request


def data_fields(words: Sequence[str]) -> dict[str, Any]:
    """Fields of a recipe's `data` from words of a command line: one name or folder, and field=value.

    Raises:
        InputError: two names, or a folder that is not there.
    """
    found: dict[str, Any] = {}
    for word in words:
        field, equals, value = word.partition("=")
        if equals and field in Data.model_fields:
            try:
                found[field] = json.loads(value)
            except (ValueError, RecursionError):
                found[field] = value
            continue
        if "name" in found:
            raise InputError(f"must be one name or folder, then field=value; {brief(word)!r} comes after "
                             f"{brief(found['name'])!r}", field="data")
        if word in get_args(Data.model_fields["name"].annotation):
            found["name"] = word
        else:
            found.update(_files(word))
    return found


def _files(word: str) -> dict[str, Any]:
    """A file of arrays, or a folder of a known data set's files or of images."""
    if word.endswith(".npz") and is_file(word):
        return {"name": "arrays", "path": word}
    if not is_folder(word):
        raise InputError(f"must be {_IMAGES}, not {brief(word, 80)!r}, which is no folder", field="data")
    names = {p.name for p in Path(word).iterdir()}
    if {"data_batch_1", "data_batch_1.bin"} & names:
        return {"name": "cifar10", "path": word}
    if "train.bin" in names or (Path(word) / "train").is_file():
        return {"name": "cifar100", "path": word}
    if "testing_list.txt" in names:
        return {"name": "speech", "path": word}
    idx = any(name.startswith("train-images") for name in names)
    return {"name": "mnist" if idx else "folder", "path": word}
