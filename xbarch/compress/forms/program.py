"""A program of `torch.export` (.pt2) as a PyTorch module; also one that PT2E or torchao quantized."""

from __future__ import annotations

import warnings
import zipfile
from typing import Any

import torch
from torch import Tensor, fx, nn

from xbarch.compress.forms.onnxfile import one_by_one
from xbarch.compress.intake.given import Given
from xbarch.compress.intake.rounding import number
from xbarch.errors import InputError
from xbarch.specs.text import brief

_MOST = 2**33  # bytes that an archive may expand to
_QUANTIZE, _DEQUANTIZE = "quantize", "dequantize"  # of torch.ops.quantized_decomposed and torch.ops.torchao


def load_program(name: str) -> nn.Module:
    """The module in a .pt2 file.

    Raises:
        InputError: it cannot be read, or was exported for several images at once.
    """
    try:
        with zipfile.ZipFile(name) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > _MOST:
            raise InputError(f"must expand to at most {_MOST:,} bytes, not {size:,}", file=name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _know_quantizers()
            program = torch.export.load(name)
            module: Any = program.module()
    except InputError:
        raise
    except Exception as error:  # whatever a damaged file makes of the reader
        text = brief(" ".join(str(error).split()), 100)
        raise InputError(f"cannot be read as a program that torch.export.save() wrote ({type(error).__name__}: {text})",
                         file=name) from None
    batch = _batch(program)
    if isinstance(batch, int) and batch != 1:
        raise InputError(f"was exported for {batch} images at once; export it for one, or with a dynamic batch",
                         file=name)
    given = _plain(module)
    return _callable(module, isinstance(batch, int), given)


def _know_quantizers() -> None:
    """PyTorch registers the operators of its quantizers when this module is imported."""
    import importlib

    importlib.import_module("torch.ao.quantization.fx._decomposed")


def _batch(program: Any) -> Any:
    names = set(program.graph_signature.user_inputs)
    image = next((n for n in program.graph.nodes if n.op == "placeholder" and n.name in names), None)
    value = None if image is None else image.meta.get("val")
    return value.shape[0] if isinstance(value, Tensor) and value.dim() else None


def _callable(module: Any, single: bool, given: dict[str, Given]) -> nn.Module:
    """The module with the two things that exported ones refuse: a word about its mode, and several images where it was
    written for one."""
    kind: type = type(module)

    class Exported(kind):
        def train(self, mode: bool = True) -> Exported:
            return self

        def __deepcopy__(self, memo: Any) -> Exported:
            raise TypeError("a copy would compute by the code of this one")  # which a GraphModule makes for its class

        def forward(self, *images: Tensor) -> Any:
            run = super().forward
            return one_by_one(run, images) if single and len(images[0]) > 1 else run(*images)

    for name in ("train", "eval"):
        module.__dict__.pop(name, None)
    module._forward_pre_hooks.clear()  # they refuse several images before `forward` parts them
    module.__class__, module.given = Exported, given
    return module


def _plain(module: fx.GraphModule) -> dict[str, Given]:
    """Take the quantizers out: weights become reals, and their integers are returned by name; the image's values are
    marked with their steps and levels, but for steps that are computed from each image."""
    given: dict[str, Given] = {}
    for node in list(module.graph.nodes):
        kind = str(node.target).rpartition("::")[2].split(".")[1 if "." in str(node.target) else 0]
        if node.op != "call_function" or not kind.startswith((_QUANTIZE, _DEQUANTIZE)):
            continue
        source = node.args[0]
        if kind.startswith(_DEQUANTIZE) and source.op == "get_attr":
            _hold_reals(module, node, given)
        else:
            found = _marked(module, node) if kind.startswith(_QUANTIZE) else source
            node.replace_all_uses_with(found)
            module.graph.erase_node(node)
    module.graph.lint()
    module.recompile()
    return given


def _marked(module: fx.GraphModule, node: fx.Node) -> fx.Node:
    """A quantizer of the image's values as one that leaves them real."""
    schema: Any = node.target
    names = [argument.name for argument in schema._schema.arguments]
    given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    step, zero = (given.get(name, given.get(f"{name}s")) for name in ("scale", "zero_point"))
    source = node.args[0]
    assert isinstance(source, fx.Node)
    if any(isinstance(n, fx.Node) and n.op != "get_attr" for n in (step, zero)):
        return source
    step, zero = (number(_value(module, n) if isinstance(n, fx.Node) else n) for n in (step, zero or 0))
    kind = given.get("dtype", given.get("output_dtype"))
    ends = [given.get("quant_min"), given.get("quant_max")]
    if None in ends:
        assert isinstance(kind, torch.dtype)
        ends = [torch.iinfo(kind).min, torch.iinfo(kind).max]
    low, high = (int(n) - int(zero) for n in ends)  # type: ignore[arg-type]
    with module.graph.inserting_before(node):
        return module.graph.call_function(torch.ops.xbarch.rounds.default, (source, step, low, high))


def _hold_reals(module: fx.GraphModule, node: fx.Node, given: dict[str, Given]) -> None:
    """A weight of integers becomes the parameter of its real values."""
    arguments = fx.node.map_arg(node.args, lambda n: _value(module, n))
    target: Any = node.target
    real: Tensor = target(*arguments, **node.kwargs)
    source: Any = node.args[0]
    path = _own_path(module, node, str(source.target))
    parent = module.get_submodule(path.rpartition(".")[0])
    parent.register_parameter(path.rpartition(".")[2], nn.Parameter(real.float(), requires_grad=False))
    words = {**dict(zip((a.name for a in target._schema.arguments), arguments, strict=False)), **node.kwargs}
    levels = arguments[0].to(torch.int32)
    step, zero = (_spread(words.get(name, words.get(f"{name}s")), levels, words) for name in ("scale", "zero_point"))
    assert step is not None
    given[path] = Given(levels=levels if zero is None else levels - zero.to(torch.int32), step=step.double())
    with module.graph.inserting_before(node):
        node.replace_all_uses_with(module.graph.get_attr(path))
    module.graph.erase_node(node)


def _spread(part: Any, levels: Tensor, words: dict[str, Any]) -> Tensor | None:
    """Scales or zero points of a weight with as many axes as it has: of channels along an axis, or of blocks."""
    if part is None:
        return None
    part, block = torch.as_tensor(part), words.get("block_size")
    if block is None:
        return part.reshape([-1 if a == words.get("axis", 0) else 1 for a in range(levels.dim())])
    part = part.reshape([n // b for n, b in zip(levels.shape, block, strict=True)])
    for axis, size in enumerate(block):
        part = part if part.shape[axis] == 1 else part.repeat_interleave(size, axis)
    return part


def _own_path(module: fx.GraphModule, node: fx.Node, stored: str) -> str:
    """The name of the weight in the module that was quantized, where the program still tells."""
    user = next(iter(node.users), None)
    stack = list((user.meta.get("nn_module_stack") or {}).values()) if user is not None else []
    path = str(stack[-1][0]).removeprefix("L['self'].") if stack else ""
    stem = path if path and "[" not in path else stored.strip("_").replace(".", "_")
    while not isinstance(getattr(module, stem, None), nn.Module | None):  # the buffer of the integers, for one
        stem += "_"
    name = f"{stem}.weight"
    for end in range(1, name.count(".") + 1):
        lead = ".".join(name.split(".")[:end])
        if not hasattr(module.get_submodule(lead.rpartition(".")[0]), lead.rpartition(".")[2]):
            module.add_submodule(lead, nn.Module())
    return name


def _value(module: fx.GraphModule, node: fx.Node) -> Any:
    found: Any = module
    for part in str(node.target).split("."):
        found = getattr(found, part)
    return found.detach() if isinstance(found, Tensor) else found
