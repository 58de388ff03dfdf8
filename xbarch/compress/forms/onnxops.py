"""What the operators of ONNX compute, on tensors of PyTorch. Shapes and other constants are arrays of NumPy, so that
they are known when the network is exported. Definitions: https://onnx.ai/onnx/operators/ (operator sets 7 to 23)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Given = list[Any]  # the inputs: tensors, arrays, None where one is left out
Words = Mapping[str, Any]  # the attributes


def ints(value: Any) -> list[int]:
    """A constant of whole numbers."""
    return [int(v) for v in np.asarray(value).reshape(-1)]


def _pads(x: Tensor, w: Words, kernel: list[int]) -> list[int]:
    """Padding as `F.pad` takes it: last axis first, before and after."""
    axes = len(kernel)
    found = list(w.get("pads", [0] * 2 * axes))
    kind = w.get("auto_pad", "NOTSET")
    if kind in ("SAME_UPPER", "SAME_LOWER"):
        for i, (k, s, d) in enumerate(zip(kernel, w.get("strides", [1] * axes), w.get("dilations", [1] * axes),
                                          strict=True)):
            size = x.shape[2 + i]
            lacking = max(0, (-(-size // s) - 1) * s + d * (k - 1) + 1 - size)
            small, large = lacking // 2, lacking - lacking // 2
            found[i], found[i + axes] = (small, large) if kind == "SAME_UPPER" else (large, small)
    return [n for i in reversed(range(axes)) for n in (found[i], found[i + axes])]


def _padded(x: Tensor, pads: list[int], value: float = 0.0) -> tuple[Tensor, list[int]]:
    """(input, symmetric padding that is left to the operator): padding that differs between sides is applied."""
    before, after = pads[::2][::-1], pads[1::2][::-1]
    if before == after:
        return x, before
    return F.pad(x, pads, value=value), [0] * len(before)


def conv(i: Given, w: Words) -> Tensor:
    x, weight, bias = i[0], i[1], i[2] if len(i) > 2 else None
    axes = weight.dim() - 2
    x, padding = _padded(x, _pads(x, w, list(weight.shape[2:])))
    run = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[axes]
    return run(x, weight, bias, list(w.get("strides", [1] * axes)), padding, list(w.get("dilations", [1] * axes)),
               w.get("group", 1))


def conv_transpose(i: Given, w: Words) -> Tensor:
    x, weight, bias = i[0], i[1], i[2] if len(i) > 2 else None
    axes = weight.dim() - 2
    pads = w.get("pads", [0] * 2 * axes)
    if list(pads[:axes]) != list(pads[axes:]) or w.get("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in w:
        raise NotImplementedError("padding that differs between sides")
    run = {1: F.conv_transpose1d, 2: F.conv_transpose2d}[axes]
    return run(x, weight, bias, list(w.get("strides", [1] * axes)), list(pads[:axes]),
               list(w.get("output_padding", [0] * axes)), w.get("group", 1), list(w.get("dilations", [1] * axes)))


def gemm(i: Given, w: Words) -> Tensor:
    x, weight, bias = i[0], i[1], i[2] if len(i) > 2 else None
    if w.get("transA", 0) or w.get("alpha", 1.0) != 1 or (bias is not None and w.get("beta", 1.0) != 1):
        raise NotImplementedError("Gemm with transA, alpha or beta")
    return F.linear(x, weight if w.get("transB", 0) else weight.t(), bias)


def matmul(i: Given, w: Words) -> Tensor:
    fixed = isinstance(i[1], torch.nn.Parameter) and i[1].dim() == 2
    return F.linear(i[0], i[1].t()) if fixed else torch.matmul(i[0], i[1])


def batch_norm(i: Given, w: Words) -> Tensor:
    x, gamma, beta, mean, var = i
    return F.batch_norm(x, mean, var, gamma, beta, False, 0.0, w.get("epsilon", 1e-5))


def layer_norm(i: Given, w: Words) -> Tensor:
    x = i[0]
    axis = w.get("axis", -1) % x.dim()
    return F.layer_norm(x, list(x.shape[axis:]), i[1], i[2] if len(i) > 2 else None, w.get("epsilon", 1e-5))


def max_pool(i: Given, w: Words) -> Tensor:
    x, kernel = i[0], list(w["kernel_shape"])
    x, padding = _padded(x, _pads(x, w, kernel), float("-inf"))
    run = {1: F.max_pool1d, 2: F.max_pool2d}[len(kernel)]
    return run(x, kernel, list(w.get("strides", [1] * len(kernel))), padding,
               list(w.get("dilations", [1] * len(kernel))), bool(w.get("ceil_mode", 0)))


def average_pool(i: Given, w: Words) -> Tensor:
    x, kernel = i[0], list(w["kernel_shape"])
    pads, counted = _pads(x, w, kernel), bool(w.get("count_include_pad", 0))
    if pads[::2] != pads[1::2] and not counted:
        raise NotImplementedError("AveragePool whose padding differs between sides and is not counted")
    x, padding = _padded(x, pads)
    run = {1: F.avg_pool1d, 2: F.avg_pool2d}[len(kernel)]
    return run(x, kernel, list(w.get("strides", [1] * len(kernel))), padding, bool(w.get("ceil_mode", 0)), counted)


def clip(i: Given, w: Words) -> Tensor:
    low, high = (_number(i[n]) if len(i) > n and i[n] is not None else w.get(name)
                 for n, name in ((1, "min"), (2, "max")))
    return i[0] if low is None and high is None else torch.clamp(i[0], low, high)


def _number(value: Any) -> float:
    return float(np.asarray(value.detach() if isinstance(value, Tensor) else value).reshape(()))


def reshape(i: Given, w: Words) -> Any:
    shape = ints(i[1])
    sizes = [i[0].shape[n] if s == 0 and not w.get("allowzero", 0) else s for n, s in enumerate(shape)]
    return i[0].reshape(sizes)


def flatten(i: Given, w: Words) -> Tensor:
    axis = w.get("axis", 1)
    return i[0].flatten(1) if axis == 1 else i[0].reshape(int(np.prod(i[0].shape[:axis])), -1)


def transpose(i: Given, w: Words) -> Any:
    order = list(w.get("perm", reversed(range(i[0].ndim))))
    return i[0].permute(order) if isinstance(i[0], Tensor) else i[0].transpose(order)


def _axes(i: Given, w: Words) -> list[int]:
    return ints(i[1]) if len(i) > 1 and i[1] is not None else list(w.get("axes", []))


def squeeze(i: Given, w: Words) -> Any:
    axes = [a % i[0].ndim for a in _axes(i, w)] or [a for a, n in enumerate(i[0].shape) if n == 1]
    return i[0].reshape([n for a, n in enumerate(i[0].shape) if a not in axes])


def unsqueeze(i: Given, w: Words) -> Any:
    axes, x = _axes(i, w), i[0]
    rank = x.ndim + len(axes)
    left = iter(x.shape)
    return x.reshape([1 if a in [b % rank for b in axes] else next(left) for a in range(rank)])


def concat(i: Given, w: Words) -> Any:
    if any(isinstance(x, Tensor) for x in i):
        return torch.cat([x if isinstance(x, Tensor) else torch.from_numpy(np.asarray(x)) for x in i], w["axis"])
    return np.concatenate(i, w["axis"])


def split(i: Given, w: Words) -> Any:
    axis = w.get("axis", 0)
    sizes = ints(i[1]) if len(i) > 1 and i[1] is not None else list(w.get("split", []))
    if not sizes:
        parts = w.get("num_outputs", w["outputs"])
        each = -(-i[0].shape[axis] // parts)
        sizes = [min(each, i[0].shape[axis] - n * each) for n in range(parts)]
    return torch.split(i[0], sizes, axis)


def slices(i: Given, w: Words) -> Any:
    x = i[0]
    starts, ends = (ints(i[n]) if len(i) > n else list(w[name]) for n, name in ((1, "starts"), (2, "ends")))
    axes = ints(i[3]) if len(i) > 3 and i[3] is not None else list(w.get("axes", range(len(starts))))
    steps = ints(i[4]) if len(i) > 4 and i[4] is not None else [1] * len(starts)
    places = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        places[axis % x.ndim] = slice(start, None if end >= 2**31 - 1 or end < -(2**31) else end, step)
    return x[tuple(places)]


def gather(i: Given, w: Words) -> Any:
    if isinstance(i[0], Tensor):
        return torch.index_select(i[0], w.get("axis", 0), torch.tensor(ints(i[1]))).reshape(
            [*i[0].shape[:w.get("axis", 0)], *np.shape(i[1]), *i[0].shape[w.get("axis", 0) + 1:]])
    return np.take(i[0], np.asarray(i[1]).astype(np.int64), w.get("axis", 0))


def pad(i: Given, w: Words) -> Tensor:
    x = i[0]
    amounts = ints(i[1]) if len(i) > 1 else list(w["pads"])
    axes = [a % x.dim() for a in ints(i[3])] if len(i) > 3 and i[3] is not None else list(range(x.dim()))
    sides = {a: (amounts[n], amounts[n + len(axes)]) for n, a in enumerate(axes)}
    flat = [n for a in reversed(range(x.dim())) for n in sides.get(a, (0, 0))]
    while len(flat) > 2 and not any(flat[-2:]):
        flat = flat[:-2]
    mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}[w.get("mode", "constant")]
    value = _number(i[2]) if len(i) > 2 and i[2] is not None else w.get("value", 0.0)
    return F.pad(x, flat, mode, value) if mode == "constant" else F.pad(x, flat, mode)


def reduce_mean(i: Given, w: Words) -> Tensor:
    axes = _axes(i, w) or list(range(i[0].dim()))
    return i[0].mean(axes, bool(w.get("keepdims", 1)))


def reduce_sum(i: Given, w: Words) -> Tensor:
    axes = _axes(i, w) or list(range(i[0].dim()))
    return i[0].sum(axes, bool(w.get("keepdims", 1)))


def resize(i: Given, w: Words) -> Tensor:
    if w.get("mode", "nearest") != "nearest":
        raise NotImplementedError(f"Resize of mode {w['mode']}")
    x, sizes = i[0], i[3] if len(i) > 3 else None
    scales = i[1] if len(i) == 2 else i[2] if len(i) > 2 else w.get("scales")
    if sizes is not None and np.size(sizes):
        return F.interpolate(x, size=ints(sizes)[2:])
    return F.interpolate(x, scale_factor=[float(s) for s in np.asarray(scales)[2:]])


def depth_to_space(i: Given, w: Words) -> Tensor:
    b, (n, c, h, width) = w["blocksize"], i[0].shape
    if w.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(i[0], b)
    x = i[0].reshape(n, b, b, c // b**2, h, width).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(n, c // b**2, h * b, width * b)


def cast(i: Given, w: Words) -> Any:
    kinds = {1: np.float32, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16, 11: np.float64}
    if isinstance(i[0], Tensor):
        return i[0].float() if w["to"] in (1, 10, 11) else i[0]
    return np.asarray(i[0]).astype(kinds.get(w["to"], np.int64))


def both(tensors: Callable[[Any, Any], Any]) -> Callable[[Given, Words], Any]:
    """An operator between tensors, between constants, or between the two."""
    def run(i: Given, w: Words) -> Any:
        a, b = i
        if not isinstance(a, Tensor) and not isinstance(b, Tensor):
            whole = np.asarray(a).dtype.kind in "iu" and np.asarray(b).dtype.kind in "iu"
            found = tensors(np.asarray(a), np.asarray(b))
            return found.astype(np.int64) if whole else found
        a, b = (v if isinstance(v, Tensor) else torch.from_numpy(np.asarray(v)) for v in (a, b))
        return tensors(a, b)
    return run


def each(function: Callable[..., Tensor], **names: tuple[str, Any]) -> Callable[[Given, Words], Tensor]:
    """A function of single numbers; names: {argument: (attribute, its default)}."""
    return lambda i, w: function(i[0], **{argument: w.get(*name) for argument, name in names.items()})


def prelu(i: Given, w: Words) -> Tensor:
    return F.prelu(i[0], i[1].reshape(-1))


def hard_sigmoid(i: Given, w: Words) -> Tensor:
    return torch.clamp(w.get("alpha", 0.2) * i[0] + w.get("beta", 0.5), 0, 1)


def softmax(function: Callable[..., Tensor]) -> Callable[[Given, Words], Tensor]:
    return lambda i, w: function(i[0], dim=w.get("axis", -1))


OPERATORS: dict[str, Callable[[Given, Words], Any]] = {
    "Conv": conv, "ConvTranspose": conv_transpose, "Gemm": gemm, "MatMul": matmul, "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm, "MaxPool": max_pool, "AveragePool": average_pool, "Clip": clip,
    "InstanceNormalization": lambda i, w: F.instance_norm(i[0], weight=i[1], bias=i[2], eps=w.get("epsilon", 1e-5)),
    "GlobalAveragePool": lambda i, w: F.adaptive_avg_pool2d(i[0], 1),
    "GlobalMaxPool": lambda i, w: F.max_pool2d(i[0], list(i[0].shape[2:])),
    "Relu": each(F.relu), "LeakyRelu": each(F.leaky_relu, negative_slope=("alpha", 0.01)), "PRelu": prelu,
    "Sigmoid": each(torch.sigmoid), "HardSigmoid": hard_sigmoid, "HardSwish": each(F.hardswish),
    "Tanh": each(torch.tanh), "Elu": each(F.elu, alpha=("alpha", 1.0)), "Selu": each(F.selu),
    "Softplus": each(F.softplus), "Erf": each(torch.erf), "Gelu": each(F.gelu, approximate=("approximate", "none")),
    "Mish": each(F.mish), "Sqrt": each(torch.sqrt), "Neg": each(torch.neg), "Exp": each(torch.exp),
    "Log": each(torch.log), "Abs": each(torch.abs), "Reciprocal": each(torch.reciprocal),
    "Softmax": softmax(F.softmax), "LogSoftmax": softmax(F.log_softmax),
    "Add": both(lambda a, b: a + b), "Sub": both(lambda a, b: a - b), "Mul": both(lambda a, b: a * b),
    "Div": both(lambda a, b: a / b), "Pow": both(lambda a, b: a**b),
    "Concat": concat, "Split": split, "Slice": slices, "Gather": gather, "Pad": pad, "Flatten": flatten,
    "Reshape": reshape, "Transpose": transpose, "Squeeze": squeeze, "Unsqueeze": unsqueeze,
    "ReduceMean": reduce_mean, "ReduceSum": reduce_sum, "Resize": resize, "Upsample": resize,
    "DepthToSpace": depth_to_space, "SpaceToDepth": lambda i, w: F.pixel_unshuffle(i[0], w["blocksize"]),
    "Identity": lambda i, w: i[0], "Dropout": lambda i, w: i[0], "Cast": cast,
    "Shape": lambda i, w: np.asarray(i[0].shape, np.int64)[w.get("start", 0):w.get("end")],
    "ConstantOfShape": lambda i, w: np.full(ints(i[0]), np.asarray(w.get("value", np.zeros(1, np.float32))).item()),
    "Expand": lambda i, w: i[0].expand(np.broadcast_shapes(tuple(i[0].shape), tuple(ints(i[1])))),
}
