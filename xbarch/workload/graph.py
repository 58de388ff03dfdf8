"""A network as the simulator sees it: a graph of integer layers. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, Generic, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from xbarch.workload.outputs import Output

Op = Literal["input", "conv", "linear", "maxpool", "avgpool", "add", "flatten", "mul", "concat", "affine", "norm",
             "view", "resize"]
VIEWS = ("flatten", "view")  # ops that name values anew and compute nothing
# ops that round to new levels
SCALED = ("conv", "linear", "avgpool", "add", "mul", "concat", "affine", "norm", "resize")
Ints = NDArray[np.integer[Any]]
Made = TypeVar("Made")


class Counts(Protocol):
    """What is known about weights and their mask before they are made. kept: unmasked weights. zeros: unmasked weights
    that are zero all the same. masked: whether there is a mask."""

    @property
    def masked(self) -> bool: ...

    @property
    def kept(self) -> int: ...

    @property
    def zeros(self) -> int: ...


class Named(Generic[Made]):
    """A maker whose result has a name: makers with equal names make equal results. counts: those of weights and mask,
    the same for both."""

    def __init__(self, name: str, make: Callable[[], Made], counts: Counts | None = None) -> None:
        self.name, self.make, self.counts = name, make, counts

    def __call__(self) -> Made:
        return self.make()


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One node of the graph. Shapes are (channels, height, width); those of a linear layer are (features, 1, 1).

    `weights` makes the integer weights on demand, shape (F, C/groups, kh, kw), int8 or int16, signed within
    `weight_bits`; `mask` makes an array of the same shape, True where a weight is kept (None: all are kept). Inputs of
    conv and linear layers are unsigned integers of `input_bits`, or signed ones (`signed_in`). `relu`: the activation
    unit clips at zero (fused). With `scale` and `bias` [F], which include batch norm, an accumulated sum a of filter f
    leaves as the level round(scale[f] * a + bias[f]), clipped to the output's range (the last layer's outputs stay
    real). Halves round up or, with `to_even`, to the even level, as quantizers of a user's own graph do. `function`
    names another function of the activation unit: it is a `table` of output levels for the signed levels of
    `inner_bits` that the layer would leave otherwise.

    Layers without weights: `add` and `concat` (along channels) have a scale for each input, `mul` one; the second
    factor may be one value a channel (C, 1, 1). `affine`: scale and bias of each channel. `norm`: over the channels of
    each of `groups` groups in a window of `kernel` pixels, (1, 1) or the whole map, the deviation from the mean over
    the root of variance plus `epsilon` (in squared input levels), times scale plus bias. `view`: `index` says which
    value of the input, counted through (C, H, W), each value is, or -1 for zero. `avgpool`: the sum of a window times
    one scale, or a scale for each output pixel where they divide by different numbers of pixels. `resize`: bilinear
    interpolation (`xbarch.workload.resize`), whose weights are whole numbers; `aligned`: the corner pixels of both
    maps lie on one another, instead of the corners of these pixels.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    padding_end: tuple[int, int] | None = None
    """At the bottom and the right; None: as at the top and the left, `padding`."""
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    relu: bool = False
    weight_bits: int = 8
    input_bits: int = 8
    output_bits: int = 8
    level_bits: int | None = None
    """Of the range of output levels, where they are stored in more bits than they need; None: `output_bits`."""
    signed_in: bool = False
    signed_out: bool | None = None
    """Whether output levels may be negative; None: unless they are the image's or leave a ReLU or average pooling."""
    function: str = ""
    inner_bits: int = 8
    epsilon: float = 0.0
    to_even: bool = False
    aligned: bool = False
    full_scales: tuple[int, ...] = field(default=(), compare=False, repr=False)
    """What the largest code of a converter stands for, in cell levels, by log2 of what its bit line counts; 0: no such
    bit lines. Learned in training for a machine's converters; empty: never."""
    shares: str = field(default="", compare=False, repr=False)
    """The earlier layer that has the same weights and mask, as a module that is called again; they are stored once, but
    each layer has crossbars of its own."""
    weights: Callable[[], Ints] | None = field(default=None, compare=False, repr=False)
    mask: Callable[[], NDArray[np.bool_] | None] | None = field(default=None, compare=False, repr=False)
    scale: NDArray[np.float64] | None = field(default=None, compare=False, repr=False)
    bias: NDArray[np.float64] | None = field(default=None, compare=False, repr=False)
    table: Ints | None = field(default=None, compare=False, repr=False)
    index: Ints | None = field(default=None, compare=False, repr=False)
    side: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def compute(self) -> bool:
        """Whether crossbars hold the layer's weights."""
        return self.op in ("conv", "linear")

    @property
    def windows(self) -> int:
        """Output pixels per image; each is one matrix-vector product."""
        return self.out_shape[1] * self.out_shape[2]

    @property
    def summed(self) -> bool:
        """Whether it averages whole feature maps: it adds up the pixels as they come and keeps running sums."""
        return self.op == "avgpool" and self.kernel == self.in_shape[1:] != (1, 1) and not any(sum(self.pads, ()))

    @property
    def pads(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Padding ((top, bottom), (left, right))."""
        (top, left), (bottom, right) = self.padding, self.padding_end or self.padding
        return (top, bottom), (left, right)

    @property
    def input_range(self) -> tuple[int, int]:
        """Smallest and largest input level of a layer on crossbars."""
        half = 1 << self.input_bits - 1
        return (-half, half - 1) if self.signed_in else (0, 2 * half - 1)

    @property
    def positive(self) -> bool:
        """Whether output levels are unsigned."""
        return self.relu or self.op in ("input", "avgpool") if self.signed_out is None else not self.signed_out

    @property
    def levels(self) -> tuple[int, int]:
        """Smallest and largest output level. A table and an image may have one more below zero."""
        top = (1 << (self.level_bits or self.output_bits) - (not self.positive)) - 1
        return 0 if self.positive else -top - (bool(self.function) or self.op == "input"), top

    @property
    def rows(self) -> int:
        """Rows of one group's unrolled matrix, order channel, kernel row, kernel column."""
        return self.in_shape[0] // self.groups * self.kernel[0] * self.kernel[1]

    @property
    def filters(self) -> int:
        """Columns of the unrolled matrix, all groups together."""
        return self.out_shape[0]

    @property
    def macs(self) -> int:
        """Multiply-accumulates per image, padding included (the hardware drives those rows with zeros)."""
        return self.windows * self.rows * self.filters if self.compute else 0

    @property
    def _counts(self) -> Counts | None:
        """What the makers of weights and mask know, if they belong together."""
        found: Counts | None = getattr(self.weights, "counts", None)
        if found is None or (self.mask is None) == found.masked:
            return None
        return found if self.mask is None or getattr(self.mask, "counts", None) is found else None

    @cached_property
    def kept_weights(self) -> int:
        """Unmasked weights."""
        if self._counts is not None:
            return self._counts.kept
        mask = self.mask() if self.mask is not None else None
        return self.rows * self.filters if mask is None else int(mask.sum())

    @cached_property
    def zeros(self) -> Fraction:
        """Share of the unmasked weights that are zero all the same."""
        if self.weights is None or not self.kept_weights:
            return Fraction(0)
        if self._counts is not None:
            return Fraction(self._counts.zeros, self.kept_weights)
        mask = self.mask() if self.mask is not None else None
        found = sum(int(np.count_nonzero(w if mask is None else w * mask[f])) for f, w in enumerate(self.weights()))
        return 1 - Fraction(found, self.kept_weights)

    @cached_property
    def matrix(self) -> Ints:
        """Unrolled integer weights [rows, filters]; for groups > 1, each filter has the rows of its own group."""
        assert self.weights is not None
        w = self.weights()
        return w.reshape(w.shape[0], -1).T

    @cached_property
    def kept(self) -> NDArray[np.bool_]:
        """Unrolled mask [rows, filters]."""
        mask = self.mask() if self.mask is not None else None
        return np.ones((self.rows, self.filters), bool) if mask is None else mask.reshape(mask.shape[0], -1).T


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A network ready to run: layers in topological order, of which the first is the input.

    `trained_on` is None for weights that were never trained; they are then labelled synthetic wherever they appear.
    `activations` maps a compute layer's name to its integer inputs for a few test images, (n, C, H, W). `outputs` are
    what the user's model returns; none: the last layer's values. `measure` names what `accuracy` is. `file` is the
    manifest from which it was read, for messages.
    """

    name: str
    layers: tuple[Layer, ...]
    datapath: str = "dense"
    options: Mapping[str, Any] = field(default_factory=dict)
    trained_on: str | None = None
    accuracy: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    outputs: tuple[Output, ...] = ()
    measure: str = "top1"
    activations: Mapping[str, Ints] = field(default_factory=dict, compare=False, repr=False)
    manifest: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    file: str = field(default="", compare=False, repr=False)

    def __getitem__(self, name: str) -> Layer:
        return self.by_name[name]

    @cached_property
    def by_name(self) -> dict[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def returned(self) -> tuple[Output, ...]:
        """What the network returns."""
        last = self.layers[-1]
        return self.outputs or (Output(last.name, last.out_shape),)

    @cached_property
    def real(self) -> frozenset[str]:
        """Layers whose outputs stay real, as no layer reads their levels."""
        read = {name for layer in self.layers for name in layer.inputs}
        return frozenset(output.layer for output in self.returned if output.layer not in read)

    @property
    def weights(self) -> int:
        """Weights, removed ones included; those of a module that is called several times once."""
        return sum(layer.rows * layer.filters for layer in self.compute_layers if not layer.shares)

    @property
    def compute_layers(self) -> list[Layer]:
        return [layer for layer in self.layers if layer.compute]


def image_counts(workload: Workload) -> dict[str, int]:
    """Test images behind each stored accuracy, as far as the manifest tells: `crossbars` is of the first of them."""
    data, recipe = (workload.manifest.get(key) for key in ("data", "recipe"))
    count = data.get("test") if isinstance(data, Mapping) else None
    some = recipe.get("crossbar_images") if isinstance(recipe, Mapping) else None
    if not isinstance(count, int) or count < 0:
        return {}
    found = {phase: count for phase in workload.accuracy if phase != "crossbars"}
    if "crossbars" in workload.accuracy and isinstance(some, int) and some >= 0:
        found["crossbars"] = min(some, count)
    return found


def unroll(x: Ints, layer: Layer) -> Ints:
    """Input vectors of every window, int64 [windows, C * kh * kw], of one image `x` (C, H, W), zero padded.

    For a linear layer `x` is flattened to one window. Rows are in the order of `Layer.matrix`, with the channels of all
    groups.
    """
    if layer.op == "linear":
        return x.reshape(1, -1).astype(np.int64)
    view = windows(x.astype(np.int64), layer)
    return np.ascontiguousarray(view.transpose(1, 2, 0, 3, 4)).reshape(layer.windows, -1)


def windows(x: NDArray[np.int64], layer: Layer, fill: int = 0) -> NDArray[np.int64]:
    """[C, oh, ow, kh, kw]: what every window of a convolution or pooling layer reads, padded with `fill`."""
    (kh, kw), (sh, sw), (dh, dw), (_, oh, ow) = layer.kernel, layer.stride, layer.dilation, layer.out_shape
    padded = np.pad(x, ((0, 0), *layer.pads), constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(padded, ((kh - 1) * dh + 1, (kw - 1) * dw + 1), axis=(1, 2))
    return view[:, ::sh, ::sw, ::dh, ::dw][:, :oh, :ow]
