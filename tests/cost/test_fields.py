"""Every number of every bundled architecture means something: twice as large, it changes a figure of a run or of the
nameplate, or is refused, or is listed here with the reason."""

import re
from dataclasses import asdict
from fractions import Fraction
from functools import cache

import pytest

import xbarch
from xbarch.cost.nameplate import nameplate
from xbarch.cost.pricing import reprice
from xbarch.errors import XbarchError
from xbarch.result.record import record
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.support import bundled

ALIKE = {
    r"components\.\w+\.count": "says how many units have the group's power, area and rate, which are totals",
    r"crossbar\.programming\.parallel\.\w+": "at most so many at a time, as all there are already",
    r"components\.\w+\.scaling\.banks": "of how the price would follow another size",
}
HIDDEN = {  # behind what takes longer on that machine
    "neurosim_rram_like": {"pipeline.stages.5.latency": "a write of a word"},
    "forms_like": {"crossbar.read": "operation units are read instead"},
    "sre_like": {"crossbar.read": "operation units are read instead"},
}
ARCHITECTURES = sorted(bundled.names("architectures"))
QUANTITY = re.compile(r"(\d+) ([a-zµ^0-9/]+)", re.I)


@pytest.fixture(scope="module")
def lenet(tmp_path_factory):
    file = tmp_path_factory.mktemp("fields") / "lenet.yaml"
    file.write_text("{kind: synthetic, network: lenet5, weight_bits: 4, input_bits: 4, description: a test}\n")
    return file


def leaves(value, at=""):
    """(dotted place, doubled value as YAML) of every number."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{at}.{key}".lstrip("."))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{at}.{number}")
    elif isinstance(value, int) and not isinstance(value, bool):
        yield at, str(2 * value)
    elif isinstance(value, str):
        if (match := QUANTITY.fullmatch(value)) and int(match[1]):
            yield at, f"{2 * int(match[1])} {match[2]}"
        elif re.fullmatch(r"\d+(/\d+)?", value):
            yield at, str(2 * Fraction(value))


@cache
def numbers(name):
    return dict(leaves(load(name, Architecture).model_dump(mode="json", by_alias=True)))


def figures(name, workload, *changes):
    """What a run and the nameplate say, and the room of a tile, without the names of what ran."""
    policy = "crossbars:4" if workload == "resnet18_pruned" else "one_copy"
    run = xbarch.execute(name, workload, images=2, overrides=changes, policy=policy)
    said = record(run).model_dump(exclude={"architecture", "provenance"})
    return said, asdict(nameplate(run.machine.architecture)), run.machine.room()


def idle(name, workload, places):
    """The places at which a number twice as large changes nothing."""
    base, found = figures(name, workload), []
    for place in places:
        try:
            if figures(name, workload, f"{place}={numbers(name)[place]}") == base:
                found.append(place)
        except XbarchError:  # refused
            continue
    return found


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long if number % 3 else pytest.mark.full)
                                  for number, name in enumerate(ARCHITECTURES)])
def test_twice_as_large_is_another_machine(name, lenet):
    """What a small network does not use, such as links and multipliers, a larger one with scales does."""
    places = [p for p in numbers(name) if not any(re.fullmatch(known, p) for known in ALIKE)]
    assert set(idle(name, "resnet18_pruned", idle(name, lenet, places))) == set(HIDDEN.get(name, ()))


def test_the_count_of_converters_is_checked():
    """Counts are for information, but one that contradicts the hierarchy is refused."""
    for place in ("adc", "dac", "sample_hold", "crossbar"):
        with pytest.raises(XbarchError, match=rf"{place}.count=3: must be \d+, as the hierarchy has it"):
            load("isaac_like", Architecture, [f"components.{place}.count=3"], check=reprice)


def test_reasons_are_of_fields_that_there_are():
    every = {place for name in ARCHITECTURES for place in numbers(name)}
    assert all(any(re.fullmatch(known, place) for place in every) for known in ALIKE)
