"""A PyTorch model becomes a layer graph and its parameters, by `torch.export`."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from xbarch.compress.recipes import NAME
from xbarch.errors import InputError
from xbarch.specs.text import brief
from xbarch.workload.graph import Layer, Op

Shape = tuple[int, int, int]


@dataclass
class Norm:
    """Batch norm after a layer: gamma, beta, running mean and variance [F]."""

    gamma: Tensor
    beta: Tensor
    mean: Tensor
    var: Tensor
    eps: float


@dataclass
class Parameters:
    weight: Tensor
    bias: Tensor | None = None
    norm: Norm | None = None

    def tensors(self) -> list[Tensor]:
        """All there are."""
        n = self.norm
        return [t for t in (self.weight, self.bias, *((n.gamma, n.beta, n.mean, n.var) if n else ())) if t is not None]


@dataclass(frozen=True)
class Taken:
    """layers in topological order without weights; parameters of the compute layers by name."""

    layers: tuple[Layer, ...]
    parameters: dict[str, Parameters]


def intake(model: nn.Module, shape: Shape) -> Taken:
    """The layer graph of `model` for images of `shape` (channels, height, width).

    Batch norm is attached to its convolution or linear layer, ReLU becomes a flag of the layer before it,
    dropout disappears.

    Raises:
        InputError: the model cannot be exported, or uses an operation that has no place on the machine.
    """
    example = torch.zeros(1, *shape)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()), torch.no_grad():  # torch prints its graphs
            warnings.simplefilter("ignore")
            logging.disable(logging.CRITICAL)  # what goes wrong is said below, in one sentence
            model.eval()(example)  # shapes of lazy modules
            program = torch.export.export(model, (example,)).run_decompositions({})
    except (Exception, SystemExit) as error:  # the user's code may leave the interpreter
        text = " ".join(str(error).split())[:200]
        raise InputError(f"cannot be exported for images of {shape}: {text}", field="model") from None
    finally:
        logging.disable(logging.NOTSET)
    return _Reader(program, shape).read()


@dataclass
class _Reader:
    program: Any
    shape: Shape
    layers: dict[str, Layer] = field(default_factory=dict)
    parameters: dict[str, Parameters] = field(default_factory=dict)
    names: dict[fx.Node, str] = field(default_factory=dict)  # node -> layer that makes its value
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def read(self) -> Taken:
        signature, state = self.program.graph_signature, self.program.state_dict
        owners = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        self.owners = owners
        self.tensors = {n: state[o].detach().clone() for n, o in owners.items() if o in state}
        images = [n for n in self.program.graph.nodes if n.op == "placeholder" and n.name not in owners]
        if len(images) != 1:
            raise InputError(f"found a model of {len(images)} inputs, allowed one image", field="model")
        self.layers["input"] = Layer("input", "input", (), self.shape, self.shape)
        self.names[images[0]] = "input"
        for node in self.program.graph.nodes:
            if node.op == "call_function":
                self.take(node)
        if len(signature.user_outputs) != 1:
            raise InputError(f"found a model of {len(signature.user_outputs)} outputs, allowed the class scores alone",
                             field="model")
        if not self.parameters:
            raise InputError("found no convolution or linear layer, allowed at least one", field="model")
        return Taken(tuple(self.layers.values()), self.parameters)

    def take(self, node: fx.Node) -> None:
        kind = str(node.target).removeprefix("aten.").split(".")[0]
        if kind == "<built-in function getitem>":
            kind = "getitem"
        handler = _HANDLERS.get(kind)
        if handler is None:
            allowed = "convolution, linear, batch norm, ReLU, max and average pooling, addition, flatten, dropout"
            raise InputError(f"uses {kind} (in {self.path(node) or 'its forward'}), allowed {allowed}", field="model")
        handler(self, node)

    # -- helpers ----------------------------------------------------------------------------------------

    def path(self, node: fx.Node) -> str:
        """Module that called the operation."""
        stack = node.meta.get("nn_module_stack") or {}
        last = list(stack.values())[-1][0] if stack else ""
        return str(last).removeprefix("L['self'].").replace("L['self']", "")

    def fresh(self, node: fx.Node, kind: str) -> str:
        """A layer name: the path of the module that is the operation, else the calling module's path and `kind`."""
        path = self.path(node)
        stack = list((node.meta.get("nn_module_stack") or {"": ("", "")}).values())
        own = str(stack[-1][1]).rpartition(".")[2].lower()
        base = path if path and (own.endswith("pool2d") or own == "flatten") else f"{path}.{kind}" if path else kind
        name, count = base, 2
        while name in self.layers:
            name, count = f"{base}{count}", count + 1
        return name

    def source(self, node: Any) -> Layer:
        return self.layers[self.names[node]]

    def tensor(self, node: Any) -> Tensor | None:
        return None if node is None else self.tensors[node.name]

    def size(self, node: fx.Node) -> Shape:
        got = tuple(int(n) for n in node.meta["val"].shape[1:])
        if len(got) not in (1, 3):
            raise InputError(f"layer {node.name} makes a value of shape {got}, allowed (channels, height, width) "
                             "or (features,)", field="model")
        return got if len(got) == 3 else (got[0], 1, 1)

    def put(self, node: fx.Node, layer: Layer) -> None:
        if not NAME.fullmatch(layer.name):
            raise InputError(f"found a layer named {brief(layer.name)!r}, allowed letters, digits, '_', '.' and '-'",
                             field="model")
        self.layers[layer.name] = layer
        self.names[node] = layer.name

    # -- operations -------------------------------------------------------------------------------------

    def conv2d(self, node: fx.Node) -> None:
        x, weight, bias, stride, padding, dilation, groups = _filled(node, None, (1, 1), (0, 0), (1, 1), 1, take=7)
        w = self.tensor(weight)
        assert w is not None
        if isinstance(padding, str):
            padding = (0, 0) if padding == "valid" else tuple(d * (k - 1) // 2 for d, k in
                                                              zip(_two(dilation), w.shape[2:], strict=True))
        before = self.source(x)
        self.put(node, Layer(
            self.owned(weight), "conv", (before.name,), before.out_shape, self.size(node),
            (w.shape[2], w.shape[3]), _two(stride), _two(padding), _two(dilation), int(groups)))
        self.parameters[self.names[node]] = Parameters(w, self.tensor(bias))

    def linear(self, node: fx.Node) -> None:
        x, weight, bias = _filled(node, None, take=3)
        w, before = self.tensor(weight), self.source(x)
        assert w is not None
        self.put(node, Layer(self.owned(weight), "linear", (before.name,), before.out_shape, self.size(node)))
        self.parameters[self.names[node]] = Parameters(w, self.tensor(bias))

    def owned(self, weight: fx.Node) -> str:
        name = str(self.owners[weight.name]).removesuffix(".weight")
        if name in self.layers:
            raise InputError(f"layer {name} is used more than once, allowed once", field="model")
        return name

    def batch_norm(self, node: fx.Node) -> None:
        x, gamma, beta, mean, var = node.args[:5]
        name = self.names[x]
        if name not in self.parameters or self.parameters[name].norm is not None or self.shared(x) > 1:
            raise InputError(f"batch norm {self.path(node)} follows {name}, allowed a convolution or linear layer "
                             "whose output nothing else uses", field="model")
        m, v = self.tensor(mean), self.tensor(var)
        assert m is not None and v is not None
        g, b = self.tensor(gamma), self.tensor(beta)
        eps: Any = node.args[-1]
        self.parameters[name].norm = Norm(
            torch.ones_like(m) if g is None else g, torch.zeros_like(m) if b is None else b, m, v, float(eps))
        self.names[node] = name

    def shared(self, node: Any) -> int:
        return len(node.users)

    def relu(self, node: fx.Node) -> None:
        x: Any = node.args[0]
        layer = self.source(x)
        if not unsigned(layer, self.layers):
            while layer.op == "maxpool":  # ReLU and max pooling commute
                layer = self.layers[layer.inputs[0]]
            if self.shared(x) > 1 or layer.op not in ("conv", "linear", "add"):
                raise InputError(f"ReLU follows {layer.name}, allowed a convolution, linear layer or addition whose "
                                 "output nothing else uses", field="model")
            self.layers[layer.name] = replace(layer, relu=True)
        self.names[node] = self.names[x]

    def max_pool2d(self, node: fx.Node) -> None:
        x, kernel, stride, padding, dilation, ceil = _filled(node, (), (0, 0), (1, 1), False, take=6)
        self.pool(node, "maxpool", x, kernel, stride or kernel, padding, dilation, bool(ceil))

    def avg_pool2d(self, node: fx.Node) -> None:
        x, kernel, stride, padding, ceil, include, divisor = _filled(node, (), (0, 0), False, True, None, take=7)
        if divisor is not None or (not include and any(_two(padding))):
            raise InputError(f"average pooling {self.path(node)} has a divisor of its own, allowed the kernel's size",
                             field="model")
        self.pool(node, "avgpool", x, kernel, stride or kernel, padding, (1, 1), bool(ceil))

    def pool(self, node: fx.Node, op: Op, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any,
             ceil: bool) -> None:
        if ceil:
            raise InputError(f"pooling {self.path(node)} uses ceil_mode, allowed floor", field="model")
        before = self.source(x)
        self.put(node, Layer(self.fresh(node, op), op, (before.name,), before.out_shape, self.size(node),
                             _two(kernel), _two(stride), _two(padding), _two(dilation)))

    def average(self, node: fx.Node) -> None:
        """Global average: adaptive pooling to one position, or a mean over both image axes."""
        before = self.source(node.args[0])
        size = self.size(node)
        if size != (before.out_shape[0], 1, 1):
            raise InputError(f"average pooling {self.path(node)} gives {size}, allowed one position", field="model")
        window = before.out_shape[1:]
        self.put(node, Layer(self.fresh(node, "avgpool"), "avgpool", (before.name,), before.out_shape, size, window,
                             window))

    def add(self, node: fx.Node) -> None:
        if len(node.args) < 2 or not all(isinstance(a, fx.Node) and a in self.names for a in node.args[:2]) \
                or node.kwargs.get("alpha", 1) != 1:
            raise InputError(f"addition in {self.path(node)} has a constant, allowed two layers' outputs",
                             field="model")
        first, second = (self.source(a) for a in node.args[:2])
        if first.out_shape[0] < second.out_shape[0]:  # the side padded with zero channels is the shortcut
            first, second = second, first
        if first.out_shape[1:] != second.out_shape[1:] or self.size(node) != first.out_shape:
            raise InputError(f"addition in {self.path(node)} of {first.out_shape} and {second.out_shape}, allowed "
                             "equal shapes", field="model")
        shape = first.out_shape
        self.put(node, Layer(self.fresh(node, "add"), "add", (first.name, second.name), shape, shape))

    def pad(self, node: fx.Node) -> None:
        """Zero channels behind the last one, for a shortcut: the addition knows by the shapes."""
        amounts: Any = node.args[1]
        if any(amounts[:5]) or len(amounts) != 6 or any(not _is_add(u) for u in node.users):
            raise InputError(f"padding in {self.path(node)}, allowed padding inside convolutions and zero channels "
                             "behind a shortcut", field="model")
        self.alias(node)

    def view(self, node: fx.Node) -> None:
        before = self.source(node.args[0])
        features = before.out_shape[0] * before.out_shape[1] * before.out_shape[2]
        got = tuple(int(n) for n in node.meta["val"].shape[1:])
        if got == before.out_shape or (got == (features,) and before.out_shape[1:] == (1, 1)):
            self.alias(node)
            return
        if got != (features,):
            raise InputError(f"reshape in {self.path(node)} to {got}, allowed flatten", field="model")
        self.put(node, Layer(self.fresh(node, "flatten"), "flatten", (before.name,), before.out_shape,
                             (features, 1, 1)))

    def alias(self, node: fx.Node) -> None:
        """Dropout at inference, copies, the first result of batch norm: the same value."""
        if not isinstance(node.args[0], fx.Node) or (node.target.__class__.__name__ == "builtin" and node.args[1] != 0):
            raise InputError(f"{node.name} has no place in the graph", field="model")
        self.names[node] = self.names[node.args[0]]


def _is_add(node: fx.Node) -> bool:
    return str(node.target).startswith(("aten.add", "aten.add_"))


_HANDLERS: dict[str, Callable[[_Reader, fx.Node], None]] = {
    "conv2d": _Reader.conv2d, "linear": _Reader.linear, "_native_batch_norm_legit_no_training": _Reader.batch_norm,
    "getitem": _Reader.alias, "relu": _Reader.relu, "relu_": _Reader.relu,
    "max_pool2d": _Reader.max_pool2d, "avg_pool2d": _Reader.avg_pool2d, "adaptive_avg_pool2d": _Reader.average,
    "mean": _Reader.average, "add": _Reader.add, "add_": _Reader.add, "pad": _Reader.pad,
    "constant_pad_nd": _Reader.pad, "view": _Reader.view, "reshape": _Reader.view, "flatten": _Reader.view,
    "_unsafe_view": _Reader.view, "clone": _Reader.alias, "dropout": _Reader.alias, "alias": _Reader.alias,
    "contiguous": _Reader.alias, "detach": _Reader.alias,
}


def unsigned(layer: Layer, layers: dict[str, Layer]) -> bool:
    """Whether a layer's output is never negative."""
    if layer.op == "input" or layer.relu:
        return True
    if layer.op in ("conv", "linear"):
        return False
    return all(unsigned(layers[i], layers) for i in layer.inputs)


def _two(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    items = [int(v) for v in value]
    return items[0], items[-1]


def _filled(node: fx.Node, *defaults: Any, take: int) -> list[Any]:
    """Positional arguments, trailing defaults filled in, keyword arguments by the operator's schema."""
    args = list(node.args) + list(defaults[len(defaults) - (take - len(node.args)):] if len(node.args) < take else ())
    schema: Any = getattr(node.target, "_schema", None)
    if schema is not None:
        for position, argument in enumerate(schema.arguments[:take]):
            if argument.name in node.kwargs:
                args[position] = node.kwargs[argument.name]
    return args
