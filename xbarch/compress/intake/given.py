"""What a checkpoint says of its weights beyond their values: masks of pruning tools, integers with their steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from xbarch.errors import InputError
from xbarch.specs.text import brief

_STEPS = ("_scale", ".scale", "_scales", ".scales")  # behind the name of a weight of integers
_ZEROS = ("_zero_point", ".zero_point", "_zero_points", ".zero_points")
_PRUNED, _MASK = "_orig", "_mask"  # of torch.nn.utils.prune


@dataclass(frozen=True)
class Given:
    """What is known of one weight. levels: whole numbers, and the real value of one level, so that weight = step *
    level. step: [1], one for each entry of the weight's first axis, or with as many axes as the weight. mask: True
    where a weight is kept; a kept weight may be zero."""

    mask: Tensor | None = None
    levels: Tensor | None = None
    step: Tensor | None = None

    @property
    def bits(self) -> int:
        """Bits that hold the levels, sign included."""
        if self.levels is None or not self.levels.numel():
            return 1
        low, high = int(self.levels.min()), int(self.levels.max())
        return 1 + max(max(high, 0).bit_length(), max(-1 - low, 0).bit_length())


def aligned(step: Tensor, like: Tensor) -> Tensor:
    """Steps with as many axes as the weight, so that they multiply its levels."""
    return step if step.dim() > 1 else step.reshape(-1, *(1,) * (like.dim() - 1))


def settle(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor],
           checkpoint: str) -> tuple[dict[str, Tensor], dict[str, Given]]:
    """(tensors as the model has them, what is given of some of them by name) from what tools for pruning and
    quantization store: `weight_orig` and `weight_mask`, quantized tensors, integers with `weight_scale` and
    `weight_zero_point`.

    Raises:
        InputError: a mask, a scale or a zero point does not fit its weight.
    """
    plain, given = dict(state), dict[str, Given]()
    for key in state:
        name = key.removesuffix(_PRUNED)
        if name != key and name in wanted and name + _MASK in state and key not in wanted:
            plain[name] = plain.pop(key)
    for name in list(plain):
        if name in wanted and wanted[name].is_floating_point():
            _settle_integers(plain, given, name, checkpoint)
            _settle_mask(plain, given, name, wanted, checkpoint)
    if given:  # quantized modules also keep scales of their outputs
        plain = {key: tensor for key, tensor in plain.items() if key in wanted or not key.endswith(_STEPS + _ZEROS)}
    return plain, given


def settle_masks(model: nn.Module) -> dict[str, Given]:
    """Masks that torch.nn.utils.prune keeps in the model itself, by names of weights; the weights become plain ones."""
    given = {}
    for path, module in model.named_modules():
        for name in [n.removesuffix(_PRUNED) for n, _ in module.named_parameters(recurse=False) if n.endswith(_PRUNED)]:
            mask = dict(module.named_buffers(recurse=False)).get(name + _MASK)
            if mask is not None and prune.is_pruned(module):
                prune.remove(module, name)
                given[f"{path}.{name}".lstrip(".")] = Given(mask=mask != 0)
    return given


def _settle_integers(state: dict[str, Tensor], given: dict[str, Given], name: str, checkpoint: str) -> None:
    """Integers become reals, and are remembered."""
    tensor = state[name]
    if tensor.is_quantized:
        levels, step, zero = _quantized(tensor)
    elif tensor.dtype in (torch.int8, torch.uint8, torch.int16, torch.int32):
        step = _beside(state, name, _STEPS)
        if step is None:
            raise InputError(f"holds {brief(name, 80)} as whole numbers ({tensor.dtype}) without their step; store it "
                             f"beside them as {brief(name, 80)}_scale", file=checkpoint)
        zero = _beside(state, name, _ZEROS)
        levels, step, zero = tensor.to(torch.int32), step, torch.zeros(1) if zero is None else zero
    else:
        return
    step = _fitted(step.double(), levels, f"scales for {brief(name, 80)}", checkpoint)
    zero = _fitted(zero.to(torch.int32), levels, f"zero points for {brief(name, 80)}", checkpoint)
    if not bool((torch.isfinite(step) & (step > 0)).all()):
        raise InputError(f"the scales of {brief(name, 80)} must be finite numbers above 0", file=checkpoint)
    levels = levels - aligned(zero, levels)
    state[name], given[name] = (levels * aligned(step, levels)).float(), Given(levels=levels, step=step)


def _fitted(part: Tensor, levels: Tensor, what: str, checkpoint: str) -> Tensor:
    """Scales or zero points: one, one for each filter, or of as many axes as the weight."""
    fits = part.dim() == levels.dim() and all(n in (1, m) for n, m in zip(part.shape, levels.shape, strict=True))
    if fits and part.numel() != len(part):
        return part
    if part.numel() not in (1, len(levels)):
        raise InputError(f"must have 1 or {len(levels)} {what}, one for each filter, not {part.numel()}",
                         file=checkpoint)
    return part.flatten()


def _quantized(tensor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(levels, scales, zero points) of a quantized tensor of PyTorch."""
    levels = tensor.int_repr().to(torch.int32)
    if tensor.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        return levels, torch.tensor([tensor.q_scale()], dtype=torch.float64), torch.tensor([tensor.q_zero_point()])
    shape = [1] * levels.dim()
    shape[tensor.q_per_channel_axis()] = -1
    return levels, tensor.q_per_channel_scales().reshape(shape), \
        tensor.q_per_channel_zero_points().round().reshape(shape)


def _beside(state: dict[str, Tensor], name: str, ends: tuple[str, ...]) -> Tensor | None:
    """The tensor stored beside a weight under one of these endings, taken out of the state dict."""
    stem = name.rpartition(".")[0]
    keys = [f"{name}{end}" for end in ends] + [f"{stem}{end}" for end in ends if end.startswith(".")]
    return next((state.pop(key) for key in keys if key in state), None)


def _settle_mask(state: dict[str, Tensor], given: dict[str, Given], name: str, wanted: Mapping[str, Tensor],
                 checkpoint: str) -> None:
    """Masked weights become zero; the mask is remembered."""
    mask = None if name + _MASK in wanted else state.pop(name + _MASK, None)
    if mask is None:
        return
    shape = state[name].shape
    fits = mask.dim() == len(shape) and all(n in (1, m) for n, m in zip(mask.shape, shape, strict=True))
    if not fits or not bool(((mask == 0) | (mask == 1)).all()):
        raise InputError(f"{brief(name + _MASK, 80)} must be zeros and ones of the shape {tuple(shape)}, axes of whole "
                         f"filters or channels of length 1, not {mask.dtype} of the shape {tuple(mask.shape)}",
                         file=checkpoint)
    kept = (mask != 0).expand(shape)
    before = given.get(name, Given())
    levels = None if before.levels is None else before.levels * kept
    state[name], given[name] = state[name] * kept, replace(before, mask=kept, levels=levels)
