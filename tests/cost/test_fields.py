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
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.support import bundled

ALIKE = {
    r"components\.\w+\.count": "describes a group whose power, area and rate are totals",
    r"components\.\w+\.of\..*": "restates the machine",
    r"crossbar\.programming\.parallel\.\w+": "a small network is written in one turn anyway",
    r"network\.queue": "room for packets that a network without contention does not need",
    r"network\.options\.\w+": "the shape of the network beyond the tiles that are used",
    r"pipeline\.ahead": "windows under way, which may be bound elsewhere",
}
ARCHITECTURES = sorted(bundled.names("architectures"))
QUANTITY = re.compile(r"(\d+) ([a-zµ^0-9/]+)", re.I)


@pytest.fixture(scope="module")
def workload(tmp_path_factory):
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
    """What a run and the nameplate say, without the names of what ran."""
    found = xbarch.simulate(name, workload, images=2, overrides=changes, policy="one_copy")
    a = reprice(load(name, Architecture, changes))
    plate = nameplate(a, a.precision.weight_bits, a.precision.input_bits)
    said = {key: value for key, value in found.record.model_dump().items() if key not in ("architecture", "provenance")}
    return said, asdict(plate)


@pytest.mark.full
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_twice_as_large_is_another_machine(name, workload):
    base, idle = figures(name, workload), []
    for place, doubled in numbers(name).items():
        if any(re.fullmatch(known, place) for known in ALIKE):
            continue
        try:
            if figures(name, workload, f"{place}={doubled}") == base:
                idle.append(place)
        except XbarchError:
            continue
    assert idle == []


def test_reasons_are_of_fields_that_there_are():
    every = {place for name in ARCHITECTURES for place in numbers(name)}
    assert all(any(re.fullmatch(known, place) for place in every) for known in ALIKE if ".of" not in known)
