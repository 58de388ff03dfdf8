"""Compute macros of silicon, each simulated alone: its geometry, bits and node in, energy and time of an operation out.

`silicon.csv` has the macros with a converter of the public list UIUC-IMC-Benchmarking (Shanbhag and Roy, MIT licence).
N_1b counts operations of one bit, two for each product, so the products that meet on a converted bit line are
N_1b / (2 B_x B_w N_ADC): macros that read part of their rows at a time are taken as they read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from statistics import median

import numpy as np

from xbarch.parts.scaling.node import Stillmaker
from xbarch.result.run import Run
from xbarch.run import execute
from xbarch.support.sheet import entries
from xbarch.workload.graph import Layer, Workload

MACRO = Path(__file__).with_name("macro.yaml")
PARTS = ("array", "adc", "accumulation")
BITS, NODES = (3, 10), (22, 65)  # of the converter's model
_HOME = 22  # nm, of its prices and times
_LIST = Path(__file__).with_name("silicon.csv")
_NEEDS = ("B_x", "B_w", "B_ADC", "N_ADC", "N_1b", "E_core (pJ)", "T_core(ns)")


@dataclass(frozen=True, kw_only=True)
class Macro:
    """A measured macro. number: in the list. rows: products on a bit line; columns: converted bit lines. energy, time:
    of an operation of all of them, pJ and ns."""

    number: str
    name: str
    node: int
    cell: str
    rows: int
    columns: int
    input_bits: int
    weight_bits: int
    adc_bits: int
    energy: float
    time: float
    products: float
    """Products of one bit in a product: bits of a weight times those of an input."""
    whole: bool
    """Whether the rows are those that the list says are read, R."""


def listed() -> list[dict[str, str]]:
    """The list as it is printed."""
    return entries(_LIST.read_text(encoding="utf-8"))


@cache
def macros() -> tuple[Macro, ...]:
    """Those whose numbers are complete and whose converter and node the models reach."""
    return tuple(_macros())


def _macros() -> Iterator[Macro]:
    for row in listed():
        found = [row[name] for name in _NEEDS]
        if not all(found):
            continue
        inputs, weights, bits, columns, operations, energy, time = map(float, found)
        node, rows = round(float(row["Tech (nm)"])), max(1, round(operations / (2 * inputs * weights * columns)))
        if BITS[0] <= bits <= BITS[1] and NODES[0] <= node <= NODES[1]:
            yield Macro(
                number=row["Index"], name=f"{row['Authors']}, {row['Journal/Conference']} {row['Year']}", node=node,
                cell=row["Cell Type"], rows=rows, whole=row["R"] == str(rows),
                columns=int(columns), input_bits=max(1, int(inputs)), weight_bits=max(2, ceil(weights)),
                adc_bits=round(bits), energy=energy, time=time, products=inputs * weights)


def product(rows: int, columns: int, weight_bits: int, input_bits: int, weight: int | None = None,
            value: int | None = None) -> Workload:
    """A matrix that fills the macro. weight: of every cell; None: drawn from the levels. value: of every input."""
    top, shape = (1 << weight_bits - 1) - 1, (rows, 1, 1)
    weights = np.random.default_rng(0).integers(-top, top + 1, (columns, rows, 1, 1)).astype(np.int16)
    if weight is not None:
        weights[:] = weight
    inputs = {} if value is None else {"product": np.full((1, *shape), value, np.uint8)}
    return Workload(name="macro", activations=inputs, manifest={"images": 1} if inputs else {}, layers=(
        Layer(name="input", op="input", inputs=(), in_shape=shape, out_shape=shape, output_bits=input_bits),
        Layer(name="product", op="conv", inputs=("input",), in_shape=shape, out_shape=(columns, 1, 1),
              weight_bits=weight_bits, input_bits=input_bits, output_bits=8, weights=lambda: weights)))


def built(rows: int, columns: int, weight_bits: int, input_bits: int) -> list[str]:
    """The architecture of a macro, as overrides of `MACRO`."""
    return [f"crossbar.rows={rows}", f"crossbar.columns={columns}", f"crossbar.cell_bits={weight_bits}",
            f"crossbar.dac_bits={input_bits}", f"crossbar.adcs_per_crossbar={columns}",
            f"precision.weight_bits={weight_bits}", f"precision.input_bits={input_bits}"]


def simulated(macro: Macro) -> tuple[dict[str, float], float]:
    """pJ of an operation, by component, and its ns: a read lasts as long as a conversion of NeuroSim's SAR converter, a
    nanosecond for each bit and one more at 22 nm, carried to the node by Stillmaker and Baas."""
    shape = macro.rows, macro.columns, macro.weight_bits, macro.input_bits
    slower = Stillmaker({}).factors(_HOME, macro.node)[2]
    return alone(shape, macro.products, [
        f"crossbar.adc_bits={macro.adc_bits}", f"node={macro.node}nm", "node_model=stillmaker_baas",
        f"crossbar.read={float((macro.adc_bits + 1) * slower):.3f} ns"])


def alone(shape: tuple[int, int, int, int], products: float,
          overrides: Sequence[str]) -> tuple[dict[str, float], float]:
    """pJ of an operation of a macro, by component, and ns for which its array is held. shape: rows, columns, bits of
    weights and of inputs. products: of one bit, for which the macro has a cell each or reads it again, in a product
    that is simulated as one cell read. overrides: win over those of `built`."""
    last = {text.partition("=")[0]: text for text in (*built(*shape), *overrides)}
    done = execute(MACRO, product(*shape), images=1, policy="one_copy", overrides=list(last.values()))
    found = parts(done)
    return {**found, "array": found["array"] * products}, 1000 * busiest(done, "crossbar")


def busiest(done: Run, kind: str) -> float:
    """us for which the busiest server of a kind is held."""
    return max(int(held) for server, held in zip(done.graph.servers, done.trace.busy, strict=True)
               if server.kind == kind) / 10**6


def parts(done: Run) -> dict[str, float]:
    """pJ of a run's macro, by component."""
    spent = done.ledger.by_component()
    return {name: spent.get(name, 0) / 10**6 for name in PARTS}


# -- how near -----------------------------------------------------------------------------------------------------

def factor(ratios: Sequence[float]) -> float:
    """Median factor between ours and theirs, whichever is larger."""
    return median(max(ratio, 1 / ratio) for ratio in ratios)


def left_out(ratios: Sequence[float]) -> list[float]:
    """Ours / theirs of each once ours are divided by the median ratio of the others: one constant, which never saw the
    macro that it is used for."""
    return [ratio / median([*ratios[:i], *ratios[i + 1:]]) for i, ratio in enumerate(ratios)]


# -- energy that follows values -----------------------------------------------------------------------------------

SINANGIL = {0: 3.357, 1: 4.563, 2: 5.033, 4: 5.443, 6: 5.838, 8: 6.285, 10: 6.657, 12: 7.044, 15: 7.795}
"""pJ of an operation by the value of its products, Sinangil et al., JSSC 2021 (7 nm, 64 x 64, 4-bit inputs, weights and
converters), as CiMLoop's public tests (Andrulis et al., ISPASS 2024) state them."""


def by_value(values: Sequence[int] = tuple(SINANGIL)) -> dict[int, float]:
    """pJ of Sinangil's macro with all inputs of a value: a part that follows what the cells conduct and one that does
    not, both from its energies at 1 and 15."""
    shape, most = (64, 16, 4, 4), 7
    slope = (SINANGIL[15] - SINANGIL[1]) / 14
    level, conversion = slope / (shape[0] * shape[1] * most), (SINANGIL[1] - slope) / shape[1]
    machine = [*built(*shape), "components.array.action=cell_level",
               "components.array.covers=[cell_read, row_drive, ir_access, or_access, sample, activation, pool]",
               *(f"components.{name}.scaling=fixed" for name in PARTS), "components.accumulation.energy=0 fJ",
               f"components.array.energy={1000 * level:.6f} fJ", f"components.adc.energy={1000 * conversion:.6f} fJ"]
    return {value: sum(parts(execute(MACRO, product(*shape, weight=most, value=value), images=1, policy="one_copy",
                                     overrides=machine)).values()) for value in values}
