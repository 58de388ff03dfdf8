"""Which operation of an exported program is read by what."""

from __future__ import annotations

from xbarch.compress.intake import movement, pointwise, pooling, rounding, weighted
from xbarch.compress.intake.reader import Handler

FUNCTIONS = ("hardswish", "hardsigmoid", "silu", "gelu", "mish", "elu", "celu", "selu", "leaky_relu", "sigmoid", "tanh",
             "softplus", "hardshrink", "softshrink", "tanhshrink", "log_sigmoid", "threshold", "rrelu")  # of one number

HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(movement.MOVES, movement.move), **dict.fromkeys(movement.SAME, movement.convert),
    "getitem": movement.item, "dropout": movement.dropout, "feature_dropout": movement.dropout,
    "alpha_dropout": movement.dropout, "pad": movement.pad, "constant_pad_nd": movement.pad,
    "cat": movement.concatenate, "stack": movement.concatenate, "zeros_like": movement.zeros_like,
    "new_zeros": movement.zeros_like,
    "native_dropout": movement.dropout,
    **pointwise.HANDLERS, **dict.fromkeys(FUNCTIONS, pointwise.pointwise),
    "conv1d": weighted.convolve, "conv2d": weighted.convolve, "linear": weighted.linear, "matmul": weighted.product,
    "mm": weighted.product, "bmm": weighted.product, "addmm": weighted.product,
    "conv_transpose1d": weighted.transposed, "conv_transpose2d": weighted.transposed,
    "scaled_dot_product_attention": weighted.attention, "_native_batch_norm_legit_no_training": weighted.batch_norm,
    "group_norm": weighted.group_norm, "layer_norm": weighted.layer_norm, "instance_norm": weighted.instance_norm,
    **dict.fromkeys(("max_pool1d", "max_pool2d", "max_pool2d_with_indices", "max_pool1d_with_indices"),
                    pooling.max_pool),
    "avg_pool1d": pooling.average_pool, "avg_pool2d": pooling.average_pool,
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d"),
                    pooling.adaptive),
    **dict.fromkeys(("upsample_bilinear2d", "upsample_linear1d"), pooling.bilinear),
    "xbarch": rounding.rounds,
    "mean": pooling.mean, "sum": pooling.mean, "amax": pooling.mean,
}
