"""The operations of an exported PyTorch program, each read as a layer or as a part of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, fx

from xbarch.compress.intake.graph import ModelGraph, Norm, Parameters, Shape, never_negative
from xbarch.errors import InputError
from xbarch.workload.graph import Layer, Op
from xbarch.workload.names import check_name

_RUN = "convolution, linear, batch norm, ReLU, max and average pooling, addition, flatten and dropout"


@dataclass
class Reader:
    """Reads an exported program operation by operation."""

    program: Any  # of torch.export
    shape: Shape  # of the image
    layers: dict[str, Layer] = field(default_factory=dict)
    parameters: dict[str, Parameters] = field(default_factory=dict)
    names: dict[fx.Node, str] = field(default_factory=dict)  # node: the layer that computes its value
    tensors: dict[str, Tensor] = field(default_factory=dict)  # parameters and buffers by the name of their input
    owners: dict[str, str] = field(default_factory=dict)  # name of an input: the module's name of the tensor

    def read(self) -> ModelGraph:
        signature, state = self.program.graph_signature, self.program.state_dict
        self.owners = owners = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        self.tensors = {n: state[o].detach().clone() for n, o in owners.items() if o in state}
        images = [n for n in self.program.graph.nodes if n.op == "placeholder" and n.name not in owners]
        if len(images) != 1:
            raise InputError(f"must take one input, the image, not {len(images)}", field="model")
        self.layers["input"] = Layer(name="input", op="input", inputs=(), in_shape=self.shape, out_shape=self.shape)
        self.names[images[0]] = "input"
        for node in self.program.graph.nodes:
            if node.op == "call_function":
                self.read_operation(node)
        if len(signature.user_outputs) != 1:
            raise InputError(f"must return the class scores alone, not {len(signature.user_outputs)} values",
                             field="model")
        if not self.parameters:
            raise InputError("must have at least one convolution or linear layer", field="model")
        return ModelGraph(tuple(self.layers.values()), self.parameters)

    def read_operation(self, node: fx.Node) -> None:
        kind = str(node.target).removeprefix("aten.").split(".")[0]
        if kind == "<built-in function getitem>":
            kind = "getitem"
        handler = _HANDLERS.get(kind)
        if handler is None:
            raise InputError(f"uses {kind} in {self.path(node) or 'its forward()'}; crossbar accelerators run {_RUN}",
                             field="model")
        handler(self, node)

    # -- helpers ----------------------------------------------------------------------------------------

    def path(self, node: fx.Node) -> str:
        """Path of the module that called the operation."""
        stack = node.meta.get("nn_module_stack") or {}
        last = list(stack.values())[-1][0] if stack else ""
        return str(last).removeprefix("L['self'].").replace("L['self']", "")

    def new_name(self, node: fx.Node, kind: str) -> str:
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
        """The layer that computes a node's value."""
        return self.layers[self.names[node]]

    def tensor(self, node: Any) -> Tensor | None:
        return None if node is None else self.tensors[node.name]

    def size(self, node: fx.Node) -> Shape:
        got = tuple(int(n) for n in node.meta["val"].shape[1:])
        if len(got) not in (1, 3):
            raise InputError(f"the output of layer {node.name} must have the shape (channels, height, width) or "
                             f"(features,), not {got}", field="model")
        return got if len(got) == 3 else (got[0], 1, 1)

    def put(self, node: fx.Node, layer: Layer) -> None:
        check_name(layer.name, "layer", field="model")
        self.layers[layer.name] = layer
        self.names[node] = layer.name

    # -- operations -------------------------------------------------------------------------------------

    def conv2d(self, node: fx.Node) -> None:
        x, weight, bias, stride, padding, dilation, groups = _arguments(node, None, (1, 1), (0, 0), (1, 1), 1, count=7)
        w = self.tensor(weight)
        assert w is not None
        if isinstance(padding, str):
            padding = (0, 0) if padding == "valid" else tuple(d * (k - 1) // 2 for d, k in
                                                              zip(_two(dilation), w.shape[2:], strict=True))
        before = self.source(x)
        self.put(node, Layer(
            name=self.layer_of(weight), op="conv", inputs=(before.name,), in_shape=before.out_shape,
            out_shape=self.size(node), kernel=(w.shape[2], w.shape[3]), stride=_two(stride), padding=_two(padding),
            dilation=_two(dilation), groups=int(groups)))
        self.parameters[self.names[node]] = Parameters(w, self.tensor(bias))

    def linear(self, node: fx.Node) -> None:
        x, weight, bias = _arguments(node, None, count=3)
        w, before = self.tensor(weight), self.source(x)
        assert w is not None
        self.put(node, Layer(name=self.layer_of(weight), op="linear", inputs=(before.name,), in_shape=before.out_shape,
                             out_shape=self.size(node)))
        self.parameters[self.names[node]] = Parameters(w, self.tensor(bias))

    def layer_of(self, weight: fx.Node) -> str:
        """The layer's name: that of the module that owns the weight."""
        name = str(self.owners[weight.name]).removesuffix(".weight")
        if name in self.layers:
            raise InputError(f"calls layer {name} more than once; give each call a layer of its own", field="model")
        return name

    def batch_norm(self, node: fx.Node) -> None:
        x, gamma, beta, mean, var = node.args[:5]
        name = self.names[x]
        if name not in self.parameters or self.parameters[name].norm is not None or self.shared(x) > 1:
            raise InputError(f"batch norm {self.path(node)} must follow a convolution or linear layer whose output "
                             f"nothing else uses, not {name}", field="model")
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
        if not never_negative(layer, self.layers):
            while layer.op == "maxpool":  # ReLU and max pooling commute
                layer = self.layers[layer.inputs[0]]
            if self.shared(x) > 1 or layer.op not in ("conv", "linear", "add"):
                raise InputError("ReLU must follow a convolution, linear layer or addition whose output nothing else "
                                 f"uses, not {layer.name}", field="model")
            self.layers[layer.name] = replace(layer, relu=True)
        self.names[node] = self.names[x]

    def max_pool2d(self, node: fx.Node) -> None:
        x, kernel, stride, padding, dilation, ceil = _arguments(node, (), (0, 0), (1, 1), False, count=6)
        self.pool(node, "maxpool", x, (kernel, stride or kernel, padding, dilation), bool(ceil))

    def avg_pool2d(self, node: fx.Node) -> None:
        x, kernel, stride, padding, ceil, include, divisor = _arguments(node, (), (0, 0), False, True, None, count=7)
        if divisor is not None or (not include and any(_two(padding))):
            raise InputError(f"average pooling {self.path(node)} must divide by the size of its kernel",
                             field="model")
        self.pool(node, "avgpool", x, (kernel, stride or kernel, padding, (1, 1)), bool(ceil))

    def pool(self, node: fx.Node, op: Op, x: Any, window: tuple[Any, Any, Any, Any], ceil: bool) -> None:
        """window: kernel, stride, padding, dilation."""
        if ceil:
            raise InputError(f"pooling {self.path(node)} must round its output size down (ceil_mode=False)",
                             field="model")
        before, (kernel, stride, padding, dilation) = self.source(x), (_two(size) for size in window)
        self.put(node, Layer(name=self.new_name(node, op), op=op, inputs=(before.name,), in_shape=before.out_shape,
                             out_shape=self.size(node), kernel=kernel, stride=stride, padding=padding,
                             dilation=dilation))

    def average(self, node: fx.Node) -> None:
        """Global average: adaptive pooling to one position, or a mean over both image axes."""
        before = self.source(node.args[0])
        size = self.size(node)
        if size != (before.out_shape[0], 1, 1):
            raise InputError(f"adaptive average pooling {self.path(node)} must give one position, not {size}",
                             field="model")
        window = before.out_shape[1:]
        self.put(node, Layer(name=self.new_name(node, "avgpool"), op="avgpool", inputs=(before.name,),
                             in_shape=before.out_shape, out_shape=size, kernel=window, stride=window))

    def add(self, node: fx.Node) -> None:
        if len(node.args) < 2 or not all(isinstance(a, fx.Node) and a in self.names for a in node.args[:2]) \
                or node.kwargs.get("alpha", 1) != 1:
            raise InputError(f"addition in {self.path(node)} must add the outputs of two layers", field="model")
        first, second = (self.source(a) for a in node.args[:2])
        if first.out_shape[0] < second.out_shape[0]:  # the side padded with zero channels is the shortcut
            first, second = second, first
        if first.out_shape[1:] != second.out_shape[1:] or self.size(node) != first.out_shape:
            raise InputError(f"addition in {self.path(node)} must add equal shapes, not {first.out_shape} and "
                             f"{second.out_shape}", field="model")
        shape = first.out_shape
        self.put(node, Layer(name=self.new_name(node, "add"), op="add", inputs=(first.name, second.name),
                             in_shape=shape, out_shape=shape))

    def pad(self, node: fx.Node) -> None:
        """Zero channels after the last one, for a shortcut; the addition sees them from the shapes."""
        amounts: Any = node.args[1]
        if any(amounts[:5]) or len(amounts) != 6 or any(not _is_add(u) for u in node.users):
            raise InputError(f"pads in {self.path(node)}; padding must be part of a convolution, or be zero channels "
                             "after a shortcut", field="model")
        self.alias(node)

    def view(self, node: fx.Node) -> None:
        before = self.source(node.args[0])
        features = before.out_shape[0] * before.out_shape[1] * before.out_shape[2]
        got = tuple(int(n) for n in node.meta["val"].shape[1:])
        if got == before.out_shape or (got == (features,) and before.out_shape[1:] == (1, 1)):
            self.alias(node)
            return
        if got != (features,):
            raise InputError(f"reshape in {self.path(node)} must flatten, not give {got}", field="model")
        self.put(node, Layer(name=self.new_name(node, "flatten"), op="flatten", inputs=(before.name,),
                             in_shape=before.out_shape, out_shape=(features, 1, 1)))

    def alias(self, node: fx.Node) -> None:
        """Dropout at inference, copies, the first result of batch norm: the same value."""
        if not isinstance(node.args[0], fx.Node) or (node.target.__class__.__name__ == "builtin" and node.args[1] != 0):
            raise InputError(f"the operation {node.name} cannot be mapped to a layer", field="model")
        self.names[node] = self.names[node.args[0]]


def _is_add(node: fx.Node) -> bool:
    return str(node.target).startswith(("aten.add", "aten.add_"))


_HANDLERS: dict[str, Callable[[Reader, fx.Node], None]] = {
    "conv2d": Reader.conv2d, "linear": Reader.linear, "_native_batch_norm_legit_no_training": Reader.batch_norm,
    "getitem": Reader.alias, "relu": Reader.relu, "relu_": Reader.relu,
    "max_pool2d": Reader.max_pool2d, "avg_pool2d": Reader.avg_pool2d, "adaptive_avg_pool2d": Reader.average,
    "mean": Reader.average, "add": Reader.add, "add_": Reader.add, "pad": Reader.pad,
    "constant_pad_nd": Reader.pad, "view": Reader.view, "reshape": Reader.view, "flatten": Reader.view,
    "_unsafe_view": Reader.view, "clone": Reader.alias, "dropout": Reader.alias, "alias": Reader.alias,
    "contiguous": Reader.alias, "detach": Reader.alias,
}

def _two(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    items = [int(v) for v in value]
    return items[0], items[-1]


def _arguments(node: fx.Node, *defaults: Any, count: int) -> list[Any]:
    """Positional arguments, trailing defaults filled in, keyword arguments by the operator's schema."""
    args = list(node.args) + list(defaults[len(defaults) - (count - len(node.args)):] if len(node.args) < count else ())
    schema: Any = getattr(node.target, "_schema", None)
    if schema is not None:
        for position, argument in enumerate(schema.arguments[:count]):
            if argument.name in node.kwargs:
                args[position] = node.kwargs[argument.name]
    return args
