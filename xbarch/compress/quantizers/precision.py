"""Bits and signs of what a network's layers read and write."""

from __future__ import annotations

from dataclasses import replace

from xbarch.compress.intake.graph import ModelGraph, never_negative
from xbarch.errors import InputError
from xbarch.specs.recipe import Quantization
from xbarch.workload.graph import VIEWS, Layer


def sized(graph: ModelGraph, spec: Quantization) -> tuple[Layer, ...]:
    """The layers with the bits and signs of their weights, inputs and outputs."""
    by_name, sized = {la.name: la for la in graph.layers}, dict[str, Layer]()
    crossbars = _driving(graph.layers)
    for la in graph.layers:
        before = sized[la.inputs[0]].output_bits if la.inputs else spec.image_bits
        positive = never_negative(la, by_name)
        la = replace(la, weight_bits=spec.weight_bits, input_bits=before, signed_out=_sign(la, positive),
                     inner_bits=spec.branch_bits,
                     signed_in=la.compute and not never_negative(by_name[la.inputs[0]], by_name))
        wide = la.positive or (la.name in crossbars and not positive)
        bits = before if la.op in ("input", "maxpool", *VIEWS) else (
            max(spec.activation_bits, 2 - la.positive) if wide else spec.branch_bits)
        given = graph.rounds.get(la.name)
        sized[la.name] = replace(la, output_bits=bits if given is None else given.bits)
        if given is not None and given.direct:
            sized[la.name] = replace(sized[la.name], inner_bits=1 + max(given.high, -given.low).bit_length())
        if spec.chain == "power_of_two":
            _refuse_in_chain(sized[la.name], graph)
    return tuple(sized.values())


def _sign(layer: Layer, positive: bool) -> bool | None:
    """`Layer.signed_out`, where it is not as for a layer of its kind."""
    if layer.function or layer.op == "input":
        return layer.signed_out
    if layer.op in ("mul", "concat", "avgpool", "resize") and not layer.relu:
        return None if layer.op == "avgpool" and positive else not positive
    return None


def _driving(layers: tuple[Layer, ...]) -> set[str]:
    """Layers whose outputs drive word lines."""
    found: set[str] = set()
    for la in reversed(layers):
        if la.compute or (la.name in found and (la.op == "maxpool" or la.op in VIEWS)):
            found |= set(la.inputs)
    return found


def _refuse_in_chain(layer: Layer, graph: ModelGraph) -> None:
    """A chain of powers of two adds and shifts; nothing else."""
    if layer.name in graph.rounds:
        raise InputError(f"must be real where the model quantizes activations with scales of its own, as layer "
                         f"{layer.name} does", field="quantization.chain")
    beyond = layer.op in ("mul", "concat", "affine", "norm", "resize") or layer.name in graph.gains
    if layer.function or layer.signed_in or beyond:
        why = layer.function or ("signed inputs" if layer.signed_in else layer.op)
        raise InputError(f"layer {layer.name} ({why}) needs more than additions and shifts; chain: real can compute it",
                         field="quantization.chain")
