"""An ONNX or QONNX file as a PyTorch module, whose weights keep the names that the file gives them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from xbarch.compress.forms.onnxops import OPERATORS
from xbarch.compress.forms.quantized import QUANTIZED, Quantized, levels_of
from xbarch.compress.intake.given import Given
from xbarch.errors import InputError
from xbarch.specs.text import brief
from xbarch.support.extras import needs

_MOST = 2**31  # bytes, the format's own limit
_WEIGHED = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1, "PRelu": 1}  # operators with weights: which input
_DOMAINS = ("", "ai.onnx", "onnx.brevitas", "qonnx.custom_op.general", "finn.custom_op.general")


def load_onnx(name: str) -> OnnxModel:
    """The network in an ONNX file.

    Raises:
        InputError: it cannot be read, has no input or output, or uses operators that are not known here.
    """
    with needs("onnx", "an ONNX file"):
        import onnx

    if Path(name).stat().st_size > _MOST:
        raise InputError(f"must be at most {_MOST:,} bytes long, not {Path(name).stat().st_size:,}", file=name)
    try:
        model = onnx.load(name)
        graph = model.graph
        constants = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
        steps = [_Step(node, onnx.helper.get_attribute_value, onnx.numpy_helper.to_array) for node in graph.node]
    except Exception as error:  # whatever a damaged file makes of the reader
        raise InputError(f"cannot be read as ONNX ({type(error).__name__}: "
                         f"{brief(' '.join(str(error).split()), 100)})", file=name) from None
    inputs = [i for i in graph.input if i.name not in constants]
    if not inputs or not graph.output:
        raise InputError(f"must have an input and an output, not {len(inputs)} and {len(graph.output)}", file=name)
    unknown = sorted({s.kind for s in steps if s.kind not in (*OPERATORS, *QUANTIZED, "Constant")
                      or s.domain not in _DOMAINS})
    if unknown:
        raise InputError(f"uses {brief(', '.join(unknown), 200)}, which xbarch does not take from ONNX", file=name)
    batch = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim][:1]
    ends = [i.name for i in inputs], [o.name for o in graph.output]
    return OnnxModel(name, steps, constants, ends, batch == [1])


class _Step:
    """One operation of the graph."""

    def __init__(self, node: Any, read: Any, numbers: Any) -> None:
        self.kind, self.domain, self.name = str(node.op_type), str(node.domain), str(node.name)
        self.inputs, self.outputs = list(node.input), list(node.output)
        self.words: dict[str, Any] = {"outputs": len(self.outputs)}
        for attribute in node.attribute:
            value = read(attribute)
            if hasattr(value, "data_type"):  # a tensor
                value = numbers(value)
            self.words[attribute.name] = value.decode() if isinstance(value, bytes) else value


class OnnxModel(nn.Module):
    """Computes an ONNX graph operation by operation. Weights are parameters; everything that does not depend on the
    image, such as shapes, is an array. `given`: integers of the weights, by their names. ends: names of inputs and of
    outputs. single: the graph is written for one image, so several go through it one by one."""

    def __init__(self, file: str, steps: list[_Step], constants: dict[str, np.ndarray[Any, Any]],
                 ends: tuple[list[str], list[str]], single: bool) -> None:
        super().__init__()
        self.file, (self.first, self.last), self.single = file, ends, single
        self.constants: dict[str, Any] = dict(constants)
        self.given: dict[str, Given] = {}
        self.held: dict[str, str] = {}  # value of the graph: parameter that holds it
        self.steps: list[_Step] = []
        for step in steps:
            if step.kind == "Constant":
                value = next(v for name, v in step.words.items() if name != "outputs")
                self.constants[step.outputs[0]] = np.asarray(value)
            elif step.kind in QUANTIZED and step.inputs[0] in self.constants:
                self._hold_integers(step)
            else:
                self.steps.append(step)
        self._check_pairs()
        for step in self.steps:
            self._hold(step)

    def _check_pairs(self) -> None:
        """What is quantized is dequantized by the same scale and zero point."""
        made = {step.outputs[0]: step for step in self.steps if step.kind == "QuantizeLinear"}
        for step in self.steps:
            before = made.get(step.inputs[0]) if step.kind == "DequantizeLinear" else None
            if before is not None and not all(np.array_equal(a, b) for a, b in zip(
                    self._scales(before), self._scales(step), strict=True)):
                raise InputError(f"DequantizeLinear {brief(step.name or step.outputs[0], 80)} has another scale or "
                                 "zero point than the QuantizeLinear before it, which would multiply values",
                                 file=self.file)

    def _scales(self, step: _Step) -> list[Any]:
        names = [*step.inputs[1:3], ""][:2]
        return [self.constants.get(name, name or 0) for name in names]

    def _hold_integers(self, step: _Step) -> None:
        """Constants that are quantized or dequantized: reals, with the integers remembered."""
        found = QUANTIZED[step.kind]([self.constants.get(name) for name in step.inputs], step.words)
        if isinstance(found, Quantized):
            self.constants[step.outputs[0]] = found.real
            self.given[step.outputs[0]] = levels_of(found)
        else:
            self.constants[step.outputs[0]] = found

    def _hold(self, step: _Step) -> None:
        """Numbers of an operation become parameters of a module of its name."""
        place = _WEIGHED.get(step.kind, 0)
        names = step.inputs[1:] if step.kind in _WEIGHED or step.kind.endswith("Normalization") else []
        for position, name in enumerate(names, 1):
            value = self.constants.get(name)
            if value is None or name in self.held or np.asarray(value).dtype.kind != "f":
                continue
            end = "weight" if position == place else "bias" if position == place + 1 else f"input{position}"
            path = self._path(name, step, end)
            parent: nn.Module = self
            for part in path.split(".")[:-1]:
                if part not in dict(parent.named_children()):
                    parent.add_module(part, nn.Module())
                parent = parent.get_submodule(part)
            tensor = torch.from_numpy(np.array(value, np.float32))
            parent.register_parameter(path.rpartition(".")[2], nn.Parameter(tensor, requires_grad=False))
            self.held[name] = path
            if name in self.given:
                self.given[path] = self.given.pop(name)

    def _path(self, name: str, step: _Step, end: str) -> str:
        """A parameter's name: the file's where it reads as one, else that of the operation."""
        if re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*\.(weight|bias|running_mean|running_var)", name):
            path = name
        else:
            own = re.sub(r"\W+", ".", step.name or step.outputs[0]).strip(".") or step.kind.lower()
            path = f"{own}.{end}"
        stem, count = path, 2
        taken = set(self.held.values())
        while path in taken or path.split(".")[0] in dir(nn.Module):
            path, count = f"{stem.rpartition('.')[0]}_{count}.{stem.rpartition('.')[2]}", count + 1
        return path

    def forward(self, *images: Tensor) -> Any:
        if self.single and len(images[0]) > 1:
            return one_by_one(self.forward, images)
        values: dict[str, Any] = {"": None, **self.constants, **dict(zip(self.first, images, strict=True))}
        values.update({name: self.get_parameter(path) for name, path in self.held.items()})
        for step in self.steps:
            run = OPERATORS.get(step.kind) or QUANTIZED[step.kind]
            try:
                found = run([values[name] for name in step.inputs], step.words)
            except InputError:
                raise
            except Exception as error:
                raise InputError(f"{step.kind} {brief(step.name, 80)} cannot be taken "
                                 f"({brief(' '.join(str(error).split()) or type(error).__name__, 120)})",
                                 file=self.file) from None
            several = len(step.outputs) > 1 and isinstance(found, tuple | list)
            values.update(zip(step.outputs, found if several else [found], strict=False))
        found = tuple(values[name] for name in self.last)
        return found if len(found) > 1 else found[0]


def one_by_one(run: Callable[..., Any], images: Sequence[Tensor]) -> Any:
    """What a model of one image returns, in the same wrapping, for several of them."""
    found = [run(*one) for one in zip(*(x.split(1) for x in images), strict=True)]
    return tree_map(lambda *parts: torch.cat(parts), *found)
