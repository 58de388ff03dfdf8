"""Data paths that break the contract are refused in one sentence; those that keep it are let through."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rigs import single

from xbarch.datapaths.base import Added, Geometry
from xbarch.datapaths.dense import Dense
from xbarch.errors import ConservationError, ContractError, InputError
from xbarch.plugins import checked, registry
from xbarch.plugins.guard import asking

GEOMETRY = Geometry(128, 128, 2)
NETWORK = single(300, 40, 4)
LAYER = NETWORK["conv"]
WHERE = f"{__file__}: data path odd: "


class Odd(Dense):
    """Dense, with any of its answers replaced."""

    name: ClassVar[str] = "odd"

    def __init__(self, **answers):
        super().__init__()
        for method, answer in answers.items():
            setattr(self, method, answer)


def refused(action, path, *args):
    with pytest.raises(InputError) as caught:
        action(path, *args)
    sentence = str(caught.value)
    if " raised " in sentence:  # has the line that raised
        sentence = sentence.replace(f":{caught.value.line}: ", ": ", 1)
    assert sentence.startswith(WHERE) and "\n" not in sentence and len(sentence) < 600
    return sentence.removeprefix(WHERE)


def good():
    """Nine crossbars of one block each."""
    return Dense().pack(LAYER, GEOMETRY)


def changed(number, **fields):
    blocks = good()
    return [*blocks[:number], replace(blocks[number], **fields), *blocks[number + 1:]]


def endless():
    while True:
        yield good()[0]


@pytest.mark.parametrize(("answer", "says"), [
    (lambda: None, "pack of layer conv must return a list of one or more blocks, not NoneType"),
    (lambda: [], "blocks, not an empty list"),
    (lambda: ["a", "b"], "blocks, not a list of str"),
    (lambda: "abc", "blocks, not str"),
    (lambda: {"a": 1}, "blocks, not dict"),
    (endless, "blocks, not generator"),
    (lambda: 1 // 0, "pack of layer conv raised ZeroDivisionError"),
    (lambda: exit(3), "pack of layer conv raised SystemExit: 3"),
    (lambda: changed(0, crossbar=-1), "returned block 0 of 9 with crossbar = -1, which must be 0 to 8"),
    (lambda: changed(8, crossbar=10**12), "returned block 8 of 9 with crossbar = 1000000000000, which must be 0 to 8"),
    (lambda: changed(2, crossbar=10**30), "is not a whole number of 64 bits"),
    (lambda: changed(2, crossbar=1.5), "is not a whole number of 64 bits"),
    (lambda: changed(2, crossbar="x"), "is not a whole number of 64 bits"),
    (lambda: good()[1:], "crossbar = 8, which must be 0 to 7"),
    (lambda: [*good()[1:], good()[1]], "none on crossbar 0; crossbars must be numbered from 0 without gaps"),
    (lambda: changed(1, row0=500), "returned block 1 of 9 with row0 = 500, which must be 0 to 0"),
    (lambda: changed(2, row0=85), "returned block 2 of 9 with row0 = 85, which must be 0 to 84"),
    (lambda: changed(1, col0=1), "with col0 = 1, which must be 0 to 0"),
    (lambda: changed(1, columns=130), "with columns = 130, which must be 1 to 129"),
    (lambda: changed(1, columns=0), "with columns = 0, which must be 1 to 129"),
    (lambda: changed(1, kept=-1), "with kept = -1"),
    (lambda: changed(1, inputs=np.zeros(0, np.int64)), "with rows = 0, which must be 1 to 128"),
    (lambda: changed(1, inputs=np.arange(299, 301)), "inputs from 299 to 300, which must be 0 to 299"),
    (lambda: changed(1, targets=np.array([-1])), "targets from -1 to -1, which must be 0 to 39"),
    (lambda: changed(1, targets=[1, 2]), "targets must be an array of whole numbers, not a list of int"),
    (lambda: changed(1, targets=np.array([0.5])), "targets must be an array of whole numbers, not ndarray"),
    (lambda: [replace(b, crossbar=0) for b in good()], "which share cells of crossbar 0"),
    (lambda: changed(8, crossbar=7), "returned blocks 7 and 8, which share cells of crossbar 7"),
])
def test_packing_that_breaks_the_contract(answer, says):
    assert says in refused(checked.blocks, Odd(pack=lambda layer, geometry: answer()), LAYER, GEOMETRY)


@pytest.mark.parametrize("name", registry.datapaths())
def test_answers_that_keep_it(name):
    path, random = registry.datapath(name), np.random.default_rng(0)
    mask = np.repeat(random.random((40, 4, 1, 1)) < 0.5, 75, axis=1)
    low, high = path.levels(4)
    weights = random.integers(low, high + 1, mask.shape) * mask
    layer = replace(LAYER, weights=lambda: weights, mask=lambda: mask, weight_bits=4, input_bits=4)
    network = replace(NETWORK, layers=(NETWORK["input"], layer))
    needs = "operation units" in checked.reason(path, network, GEOMETRY)
    geometry = replace(GEOMETRY, ou_rows=8, ou_columns=GEOMETRY.columns) if needs else GEOMETRY
    assert checked.reason(path, network, geometry) == ""
    blocks = checked.blocks(path, layer, geometry)
    assert len(blocks) >= 1 and checked.work(path, blocks, layer, geometry).crossbar[-1] < len(blocks)
    assert {a.action for a in checked.hardware(path, geometry)} == set(path.work(blocks, layer, geometry).extra)


@pytest.mark.full
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 7), st.integers(1, 4), st.integers(0, 7),
                          st.integers(1, 4)), min_size=1, max_size=12))
@settings(max_examples=500, deadline=None)
def test_overlap_is_found_where_painting_finds_it(blocks):
    painted = np.zeros((3, 12, 12), int)
    for c, row, rows, col, columns in blocks:
        painted[c, row:row + rows, col:col + columns] += 1
    found = checked._overlap(*np.array(blocks).T)
    assert (found is not None) == (painted.max() > 1)
    if found is not None:
        alone = np.zeros((3, 12, 12), int)
        for c, row, rows, col, columns in (blocks[i] for i in found):
            alone[c, row:row + rows, col:col + columns] += 1
        assert found[0] < found[1] and alone.max() == 2


def spoiled(**fields):
    def work(blocks, layer, geometry, stream=None):
        return replace(Dense().work(blocks, layer, geometry), **fields)
    return work


@pytest.mark.parametrize(("answer", "says"), [
    (lambda *_: None, "work of layer conv must return a Work, not NoneType"),
    (lambda *_: {}["x"], "work of layer conv raised KeyError: 'x'"),
    (spoiled(crossbar=np.arange(8)), "must return activation groups of crossbars 0 to 8 in order"),
    (spoiled(crossbar=np.arange(9)[::-1]), "must return activation groups of crossbars 0 to 8 in order"),
    (spoiled(rows=np.ones(8, int)), "must return rows as 9 whole numbers, not int64 (8,)"),
    (spoiled(cells=np.ones(9)), "must return cells as 9 whole numbers, not float64 (9,)"),
    (spoiled(columns=-np.ones(9, int)), "must return columns from 0 to 2,147,483,648, not -1 to -1"),
    (spoiled(reads=np.zeros(9, int)), "must return reads from 1 to 2,147,483,648, not 0 to 0"),
    (spoiled(reads=None), "must return reads as an array of 9 whole numbers, not NoneType"),
    (spoiled(group=np.zeros(9)), "must return group as 9 whole numbers, not float64 (9,)"),
    (spoiled(extra={"demux": np.ones(3, int)}), "must return extra['demux'] as 9 whole numbers, not int64 (3,)"),
    (spoiled(interval=np.full(9, 2**40)),
     "must return interval from 0 to 2,147,483,648, not 1099511627776 to 1099511627776"),
    (spoiled(latency=-5), "must return latency from 0 to 2,147,483,648, not -5 to -5"),
])
def test_work_that_breaks_the_contract(answer, says):
    assert says in refused(checked.work, Odd(work=answer), good(), LAYER, GEOMETRY)


def test_reads_may_depend_on_the_window():
    answer = spoiled(reads=np.ones((LAYER.windows, 9), int))
    assert checked.work(Odd(work=answer), good(), LAYER, GEOMETRY).reads.shape == (4, 9)


@pytest.mark.parametrize(("answer", "says"), [
    ({"area": 3}, "components must return a list of Added, not dict"),
    ([3], "components must return a list of Added, not a list of int"),
    ([Added(name="mux", level="chip", count=1, area=1, action="mux", energy=1, source="here")],
     "not mux with level chip, count 1, area 1, energy 1"),
    ([Added(name="mux", level="ima", count=1, area=-1, action="mux", energy=1, source="here")], "area -1"),
    ([Added(name="mux", level="ima", count=1, area=1, action="mux", energy=0.5, source="here")], "energy 0.5"),
])
def test_hardware_that_breaks_the_contract(answer, says):
    assert says in refused(checked.hardware, Odd(components=lambda geometry: answer), GEOMETRY)


@pytest.mark.parametrize("answer", [0, -3, 33, 2.5, "eight"])
def test_adc_bits_that_break_the_contract(answer):
    assert refused(checked.adc_bits, Odd(adc_bits=lambda *_: answer), LAYER, GEOMETRY) == (
        f"adc_bits of layer conv must return None or a whole number from 1 to 32, not {answer}")


@pytest.mark.parametrize(("answer", "says"), [
    (lambda *_: None, "accepts must return text, empty if it can run the workload, not NoneType"),
    (lambda *_: 1 // 0, "accepts raised ZeroDivisionError"),
])
def test_accepting_that_breaks_the_contract(answer, says):
    assert says in refused(checked.reason, Odd(accepts=answer), NETWORK, GEOMETRY)


def test_contradictions_are_blamed_on_whose_they_are():
    """On a data path from outside; of one that comes with xbarch it is a mistake of xbarch."""
    with pytest.raises(ContractError, match="data path odd: contents of layer conv cannot be executed: two blocks"), \
            asking(Odd(), "contents", "conv"):
        raise ConservationError("two blocks overlap")
    with pytest.raises(ConservationError, match=r"^two blocks overlap$"), asking(Dense(), "contents", "conv"):
        raise ConservationError("two blocks overlap")
