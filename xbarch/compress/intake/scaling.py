"""Values multiplied by constants, and constants added to them."""

from __future__ import annotations

from torch import Tensor, fx

from xbarch.compress.intake.graph import Gains
from xbarch.compress.intake.reader import Reader
from xbarch.compress.intake.values import Value
from xbarch.errors import InputError
from xbarch.workload.graph import Layer


def affine(r: Reader, node: fx.Node, value: Value, axis: int, gains: Gains) -> None:
    """Multiply and add for each channel along `axis`: folded into the layer before where nothing else reads that."""
    name, found = r.by_channel(value, axis, node)
    foldable = name in r.parameters or r.layers[name].op in ("affine", "norm")
    if foldable and name == value.layer and r.bare(name) and r.is_sole(name, {node}):
        old = r.gains.get(name, Gains.ones(len(gains.gain)))
        r.gains[name] = Gains(old.gain * gains.gain, old.shift * gains.gain + gains.shift)
        r.values[node] = value
        return
    shape = r.layers[name].out_shape
    layer = Layer(name=r.new_name(node, "affine"), op="affine", inputs=(name,), in_shape=shape, out_shape=shape)
    r.layers[layer.name], r.gains[layer.name] = layer, gains
    r.values[node] = Value(layer.name, found.numbers, found.shape, found.index)


def scale_by(r: Reader, node: fx.Node, value: Value, gain: Tensor, shift: Tensor) -> None:
    """gain * value + shift, both spread over the value as PyTorch does: for each channel along the axis in which they
    differ, or, where they differ in several, for each number."""
    shape = tuple(int(n) for n in node.meta["val"].shape)
    if shape != value.shape:
        value = value.moved(value.places.expand(shape).clone())
    wide = [t.reshape((1,) * (len(shape) - t.dim()) + tuple(t.shape)) for t in (gain, shift)]
    if any(t.shape[0] != 1 for t in wide):
        raise InputError(f"mixes the images of a batch in {r.place(node)}", field="model")
    axes = [a for a in range(1, len(shape)) if any(t.shape[a] > 1 for t in wide)]
    axis = axes[0] if axes else 1
    if len(axes) > 1:
        flat = value.moved(value.places.reshape(1, -1))
        gains = Gains(*(t.expand(shape).flatten().clone() for t in wide))
        affine(r, node, flat, 1, gains)
        made = r.value(node)
        r.values[node] = made.moved(made.places.reshape(shape))
        return
    count = shape[axis] if len(shape) > 1 else 1
    affine(r, node, value, axis, Gains(*(t.flatten().expand(count).clone() if t.numel() == 1 else t.flatten().clone()
                                         for t in wide)))
