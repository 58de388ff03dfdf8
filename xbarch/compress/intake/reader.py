"""Reads an exported PyTorch program operation by operation into a layer graph."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import fx

from xbarch.compress.intake.graph import Call, Gains, ModelGraph, Parameters, Rounds, Shape, never_negative
from xbarch.compress.intake.origin import Origin, origin
from xbarch.compress.intake.values import Positions, Value, is_plain, zero_borders
from xbarch.errors import InputError
from xbarch.workload.graph import SCALED, Layer
from xbarch.workload.names import LONGEST
from xbarch.workload.outputs import Closing, Output

Handler = Callable[["Reader", fx.Node], None]
_RUN = ("convolutions, linear layers, norms, pooling, additions, products, concatenation, functions of single numbers "
        "and whatever only moves numbers")
_MOST_BLOCKERS = 12  # named in one message


@dataclass
class Reader:
    """The graph as far as it is read, and what the program's values are in it."""

    program: Any  # of torch.export
    shape: Shape  # of the image
    handlers: dict[str, Handler]
    signed: bool = False  # whether images have values below zero
    layers: dict[str, Layer] = field(default_factory=dict)
    parameters: dict[str, Parameters] = field(default_factory=dict)
    gains: dict[str, Gains] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    functions: dict[str, Call] = field(default_factory=dict)
    rounds: dict[str, Rounds] = field(default_factory=dict)
    values: dict[fx.Node, Value | list[Value]] = field(default_factory=dict)
    constants: dict[fx.Node, Any] = field(default_factory=dict)  # parameters, buffers and what follows from them
    owners: dict[str, str] = field(default_factory=dict)  # name of an input: the module's name of the tensor
    views: dict[tuple[str, bytes], str] = field(default_factory=dict)  # so that equal views are one layer
    closings: dict[fx.Node, tuple[Closing, int]] = field(default_factory=dict)  # of outputs: function and axis

    def read(self) -> ModelGraph:
        """The whole graph; refuses a network with a sentence that names all that has no place."""
        self.take_inputs()
        blockers: dict[str, None] = {}
        for node in self.program.graph.nodes:
            if node.op == "call_function":
                try:
                    self.read_operation(node)
                except InputError as error:
                    blockers[error.message] = None
        if blockers:
            raise InputError(_joined(list(blockers)), field="model")
        return self.finish()

    def take_inputs(self) -> None:
        signature, state = self.program.graph_signature, self.program.state_dict
        self.owners = {**signature.inputs_to_parameters, **signature.inputs_to_buffers,
                       **signature.inputs_to_lifted_tensor_constants}
        stored = {**state, **self.program.constants}
        images = []
        for node in self.program.graph.nodes:
            if node.op == "placeholder" and node.name in self.owners:
                self.constants[node] = stored[self.owners[node.name]].detach().clone()
            elif node.op == "placeholder":
                images.append(node)
        if len(images) != 1:
            raise InputError(f"must take one input, the image, not {len(images)}", field="model")
        self.layers["input"] = Layer(name="input", op="input", inputs=(), in_shape=self.shape, out_shape=self.shape,
                                     signed_out=True if self.signed else None)
        self.values[images[0]] = Value("input", math.prod(self.shape), (1, *self.shape))

    def finish(self) -> ModelGraph:
        """The layers that the outputs depend on, those that none reads last."""
        given: Any = next(n for n in self.program.graph.nodes if n.op == "output").args[0]
        outputs = tuple(self.output(node) for node in given)
        needed = {output.layer for output in outputs}
        for layer in reversed(self.layers.values()):
            needed |= set(layer.inputs) if layer.name in needed else set()
        if not any(name in self.parameters for name in needed):
            raise InputError("must have at least one convolution or linear layer", field="model")
        read = {name for layer in self.layers.values() if layer.name in needed for name in layer.inputs}
        ends = [name for name in dict.fromkeys(output.layer for output in outputs) if name not in read]
        for name in ends:
            if name in self.limits or (name in self.rounds and not self.layers[name].function):
                self.clip_by_table(name)  # an end's outputs stay real where no table gives them
        order = [name for name in self.layers if name in needed and name not in ends]
        layers = tuple(self.layers[name] for name in (*order, *ends))
        return ModelGraph(layers, self.parameters, self.gains, self.limits, self.functions, outputs, self.rounds)

    def output(self, node: Any) -> Output:
        """A tensor that the model returns: a layer's numbers in its own order, or a view of them."""
        if not isinstance(node, fx.Node) or node not in self.values:
            raise InputError("must return tensors that it computes from the image, and nothing else", field="model")
        value = self.value(node)
        name = value.layer if value.index is None else self.as_layer(value, value.front(1), node)
        closing, axis = self.closings.get(node, ("", 0))
        return Output(name, value.shape[1:], 1.0, closing, axis)

    def read_operation(self, node: fx.Node) -> None:
        if all(n in self.constants for n in node.all_input_nodes):
            self.fold(node)
            return
        handler = self.handlers.get(kind(node))
        if handler is None and torch.Tag.pointwise in getattr(node.target, "tags", ()):
            handler = self.handlers["pointwise"]
        if handler is None:
            raise InputError(f"uses {self.user_words(node)}; crossbar accelerators run {_RUN}", field="model")
        if not self.is_blocked(node):
            handler(self, node)

    def fold(self, node: fx.Node) -> None:
        """What follows from parameters alone is computed now."""
        target: Any = node.target
        if torch.Tag.nondeterministic_seeded in getattr(target, "tags", ()):
            raise InputError(f"draws random numbers in {self.place(node)}", field="model")
        with torch.no_grad():
            self.constants[node] = target(*fx.node.map_arg(node.args, self.constants.__getitem__),
                                          **fx.node.map_arg(node.kwargs, self.constants.__getitem__))

    def is_blocked(self, node: fx.Node) -> bool:
        """Whether an operation reads what was refused already."""
        return any(n not in self.values and n not in self.constants for n in node.all_input_nodes)

    # -- names ------------------------------------------------------------------------------------------

    def path(self, node: fx.Node) -> str:
        """Path of the module that called the operation."""
        stack = node.meta.get("nn_module_stack") or {}
        last = list(stack.values())[-1][0] if stack else ""
        return str(last).removeprefix("L['self'].").replace("L['self']", "")

    def module(self, node: fx.Node) -> str:
        """Class of the module that called the operation."""
        stack = list((node.meta.get("nn_module_stack") or {"": ("", "")}).values())
        kind: Any = stack[-1][1]
        return str(kind if isinstance(kind, str) else kind.__name__).rpartition(".")[2]

    def place(self, node: fx.Node) -> str:
        return self.path(node) or "its forward()"

    def user_words(self, node: fx.Node) -> str:
        """An operation as the user wrote it: PyTorch's module, or the operation and where it is called."""
        stack = list((node.meta.get("nn_module_stack") or {"": ("", "")}).values())
        own = str(stack[-1][1])
        if "torch.nn.modules" in own and own.rpartition(".")[2] not in ("Sequential", "ModuleList"):
            return f"{self.module(node)} {self.path(node)!r}"
        return f"{kind(node)} in {self.place(node)}"

    def new_name(self, node: fx.Node, word: str) -> str:
        """A layer name: the path of the module that is the operation, else the calling module's path and `word`."""
        path, own = self.path(node), self.module(node).lower()
        leaf = own.endswith("pool2d") or own == "flatten" or (word in ("affine", "norm") and "norm" in own)
        return self.unique(path if path and leaf else f"{path}.{word}" if path else word)

    def unique(self, base: str) -> str:
        """A name that can be stored and that no other layer has."""
        base = re.sub(r"[^A-Za-z0-9_.\-]", "_", base).lstrip(".-")[:LONGEST - 8]
        name, count = base, 2
        while name in self.layers:
            name, count = f"{base}{'-' * base[-1:].isdigit()}{count}", count + 1
        return name

    # -- values -----------------------------------------------------------------------------------------

    def value(self, node: Any) -> Value:
        found = self.values[node] if isinstance(node, fx.Node) and node in self.values else None
        if not isinstance(found, Value):
            raise InputError(f"the operation {node} cannot be mapped to a layer", field="model")
        if found.shape[:1] != (1,):
            raise InputError(f"moves the axis of the images in {self.user_words(node)}, as attention does; crossbar "
                             "accelerators compute images one after another", field="model")
        return found

    def put(self, node: fx.Node, layer: Layer, axis: int = 1, shape: tuple[int, ...] | None = None) -> None:
        """Add a layer whose channels lie along `axis` of the program's value, of the node's shape."""
        self.layers[layer.name] = layer
        shape = tuple(int(n) for n in node.meta["val"].shape) if shape is None else shape
        whole = Value(layer.name, math.prod(layer.out_shape), (1, *layer.out_shape))
        moved = [shape[axis], *shape[1:axis], *shape[axis + 1:]] if len(shape) > 1 else [1]
        self.values[node] = whole.moved(whole.places.reshape(1, *moved).movedim(1, axis).reshape(shape))

    def put_like(self, node: fx.Node, layer: Layer, found: Value, axis: int) -> None:
        """Add a layer with the pixels of the value that it reads, channels along `axis`."""
        self.layers[layer.name] = layer
        pixels = layer.out_shape[1] * layer.out_shape[2]
        pixel = (found.places.narrow(axis, 0, 1) - 1).remainder(pixels)
        channels = torch.arange(layer.out_shape[0], dtype=torch.float64)
        channels = channels.reshape([-1 if i == axis else 1 for i in range(len(found.shape))])
        whole = Value(layer.name, math.prod(layer.out_shape), (1, *layer.out_shape))
        self.values[node] = whole.moved(channels * pixels + pixel + 1)

    def as_layer(self, value: Value, index: Positions, node: fx.Node) -> str:
        """The layer whose (C, H, W) are the value's numbers at `index`: the value's own, or a view of it."""
        source = self.layers[value.layer]
        if is_plain(index, source.out_shape):
            return source.name
        flat = index.shape[1:] == (1, 1) and index.size == value.numbers \
            and bool((index.ravel() == np.arange(index.size)).all())
        key = (source.name, np.asarray(index.shape).tobytes() + index.tobytes())
        if key not in self.views:
            name = self.new_name(node, "flatten" if flat else "view")
            self.layers[name] = Layer(
                name=name, op="flatten" if flat else "view", inputs=(source.name,), in_shape=source.out_shape,
                out_shape=(index.shape[0], index.shape[1], index.shape[2]), index=None if flat else index)
            self.views[key] = name
        return self.views[key]

    def padded_layer(self, value: Value, index: Positions, node: fx.Node) -> tuple[str, Any]:
        """`as_layer`, and ((top, bottom), (left, right)) zeros around it that the reader must add."""
        borders = zero_borders(index, self.layers[value.layer].out_shape)
        if borders is not None:
            return value.layer, borders
        return self.as_layer(value, index, node), ((0, 0), (0, 0))

    def by_channel(self, value: Value, axis: int, node: fx.Node) -> tuple[str, Value]:
        """A layer whose channels lie along `axis` of the value, and the value in it."""
        source = self.layers[value.layer]
        if value.whole:
            pixels = source.out_shape[1] * source.out_shape[2]
            channel = ((value.places - 1) / pixels).floor()
            wanted = torch.arange(value.shape[axis]).reshape([-1 if i == axis else 1 for i in range(len(value.shape))])
            if value.shape[axis] == source.out_shape[0] and bool((channel == wanted).all()):
                return source.name, value
        index = value.front(axis)
        name = self.as_layer(value, index, node)
        plain = torch.arange(1, index.size + 1, dtype=torch.float64)
        moved = [value.shape[axis], *value.shape[1:axis], *value.shape[axis + 1:]]
        places = plain.reshape(1, *moved).movedim(1, axis) if len(value.shape) > 1 else plain.reshape(value.shape)
        return name, Value(name, index.size, (1, *self.layers[name].out_shape)).moved(places)

    # -- who reads what -----------------------------------------------------------------------------------

    def nodes_of(self, layer: str) -> set[fx.Node]:
        return {n for n, v in self.values.items() if any(one.layer == layer for one in _each(v))}

    def is_sole(self, layer: str, readers: set[fx.Node]) -> bool:
        """Whether only `readers` use a layer's numbers."""
        own = self.nodes_of(layer)
        return all(user in own or user in readers for node in own for user in node.users)

    def bare(self, layer: str) -> bool:
        """Whether a layer rounds to levels and has no ReLU, function or levels yet."""
        la = self.layers[layer]
        return la.op in SCALED and not la.relu and not la.function and layer not in self.rounds

    def activate(self, node: fx.Node, value: Value, limit: float = math.inf, function: str = "",
                 call: Call | None = None, positive: bool = False) -> None:
        """ReLU (clipped at `limit`) or another function of a value: fused into the layer that computes it where nothing
        else reads that, else a layer of its own."""
        target, readers = value.layer, {node}
        while not function and self.layers[target].op == "maxpool" and self.is_sole(target, readers):
            readers = self.nodes_of(target)  # ReLU and max pooling commute
            target = self.layers[target].inputs[0]
        if not (self.bare(target) and self.is_sole(target, readers) and (value.whole or not function)):
            name, value = self.by_channel(value, 1 if len(value.shape) > 1 else 0, node)
            source = self.layers[name]
            target = self.new_name(node, function or "relu")
            self.layers[target] = Layer(name=target, op="affine", inputs=(name,), in_shape=source.out_shape,
                                        out_shape=source.out_shape)
            self.gains[target] = Gains.ones(source.out_shape[0])
            value = replace(value, layer=target)
        if function:
            assert call is not None
            self.layers[target] = replace(self.layers[target], function=function, signed_out=not positive)
            self.functions[target] = call
        else:
            self.layers[target] = replace(self.layers[target], relu=True)
            if limit < math.inf:
                self.limits[target] = limit
        self.values[node] = value

    def clip_by_table(self, name: str) -> None:
        """ReLU, its limit and levels that no number of bits ends at become a function."""
        layer, given, limit = self.layers[name], self.rounds.get(name), self.limits.pop(name, math.inf)
        least = 0.0 if layer.relu else -math.inf
        self.layers[name] = replace(layer, relu=False, function="clip",
                                    signed_out=least < 0 and (given is None or given.low < 0))
        self.functions[name] = lambda y: y.clamp(least, limit)
        if given is not None:
            self.rounds[name] = replace(given, direct=True)

    def origin(self, node: Any) -> Origin:
        """Which of the model's parameters a weight of the program is."""
        return origin(node, self.owners, kind)

    def never_negative(self, value: Value) -> bool:
        return never_negative(self.layers[value.layer], self.layers)


def kind(node: fx.Node) -> str:
    """An operation's name without overload; a trailing underscore (in place) does not count."""
    found = str(node.target).removeprefix("aten.").split(".")[0]
    return "getitem" if "getitem" in found else found.rstrip("_")


def arguments(node: fx.Node) -> list[Any]:
    """All arguments in the order of the operator's schema, defaults filled in."""
    schema: Any = node.target
    found = []
    for position, argument in enumerate(schema._schema.arguments):
        given = node.args[position] if position < len(node.args) else node.kwargs.get(argument.name, _default(argument))
        found.append(given)
    return found


def _default(argument: Any) -> Any:
    return argument.default_value if argument.has_default_value() else None


def _each(value: Value | list[Value]) -> Iterator[Value]:
    yield from value if isinstance(value, list) else [value]


def _joined(messages: list[str]) -> str:
    """Refusals as one sentence."""
    uses = [m for m in messages if m.startswith("uses ")]
    words = [m.removeprefix("uses ").partition("; crossbar")[0] for m in uses]
    others = [m for m in messages if m not in uses]
    if words:
        more = f" and {len(words) - _MOST_BLOCKERS} more" if len(words) > _MOST_BLOCKERS else ""
        others = [f"uses {', '.join(words[:_MOST_BLOCKERS])}{more}; crossbar accelerators run {_RUN}", *others]
    return "; ".join(others[:_MOST_BLOCKERS])
