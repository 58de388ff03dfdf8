"""The model of `result.json`: its page, its earlier numbers, and figures that cannot be."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from rigs import isaac, single

import xbarch
from xbarch.errors import ConservationError, InputError
from xbarch.render import fields
from xbarch.result import exact, schema
from xbarch.result.migrate import MIGRATIONS, READABLE, RENAMED
from xbarch.result.quantities import Part
from xbarch.result.record import record
from xbarch.result.result import Result, parse, read
from xbarch.result.schema import SCHEMA, Record
from xbarch.specs.sweep import Sweep
from xbarch.studies.sweep.sheet import check_figures

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"


# -- the page -------------------------------------------------------------------------------------------------

def test_the_page_is_written_from_the_model():
    assert (DOCS / "result.md").read_text(encoding="utf-8") == fields.page(), "python -m xbarch.render.fields"


def test_every_field_says_its_unit():
    """A key's ending is its unit; the page says the same."""
    endings = {"_ps": "ps", "_aj": "aJ", "_mm2": "mm²", "_w": "W", "_gbs": "GB/s", "_bytes": "bytes"}
    checked = 0
    for row in fields.rows():
        name = row.path.removesuffix(".<name>").removesuffix("[]").rpartition(".")[2]
        assert row.definition and row.definition[0] != " ", row
        for ending, unit in endings.items():
            if name.endswith(ending) and not name.startswith("tops"):
                assert row.unit.endswith(unit), row
                checked += 1
    assert checked > 30
    units = {row.path: row.unit for row in fields.rows()}
    assert units["energy.scopes_aj.compute"] == "aJ" and units["peak.tops_per_w"] == "TOPS/W"
    assert units["programming.batch"] == "images" and units["latency.pipeline_interval_95_ps"] == "ps"


def test_a_field_without_a_definition_is_refused():
    class Lacking(Part):
        name: str

    with pytest.raises(ValueError, match="name has no description"):
        list(fields.rows(Lacking))


# -- attributes -----------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def result():
    return xbarch.simulate("isaac_like", "vgg7_pruned", images=2, batch=10)


def test_every_part_of_a_record_is_an_attribute(result):
    for name in Record.model_fields:
        if name != "schema_":
            assert getattr(result, name) == getattr(result.record, name), name
    assert result.throughput.images_per_second == result["throughput.images_per_second"]
    assert result.programming.per_image.cells == result["programming.per_image.cells"]
    assert result.mapping.layers[0].name == "input" and result.segments is None
    with pytest.raises(AttributeError):
        result.thruput  # noqa: B018


def test_a_record_is_validated_and_the_same_after_a_file(result, tmp_path):
    again = read(result.save(tmp_path / "result.json"))
    assert again.record == result.record and again.to_json() == result.to_json()
    assert Record.model_validate(result.data) == result.record
    assert json.loads(result.to_json()) == result.data


def test_unknown_keys_are_ignored(result):
    more = {**result.data, "later": 1, "latency": {**result.data["latency"], "later": [1]}}
    assert parse(more).record == result.record


# -- earlier numbers ------------------------------------------------------------------------------------------

def test_the_first_schema_is_read():
    """A file that the last version with `xbarch.result/1` wrote: of a network that was reloaded, so it has every key
    that was renamed."""
    old = json.loads((HERE / "result_1.json").read_text())
    assert old["schema"] == "xbarch.result/1"
    new = read(HERE / "result_1.json")
    assert new["schema"] == SCHEMA
    assert new.latency.pipeline_interval_ps == old["latency"]["interval_ps"]
    assert new.latency.pipeline_interval_95_ps == old["latency"]["interval_95_ps"]
    assert [s.pipeline_interval_ps for s in new.segments] == [s["interval_ps"] for s in old["segments"]]

    def renamed(value):
        if isinstance(value, dict):
            return {{"interval_ps": "pipeline_interval_ps", "interval_95_ps": "pipeline_interval_95_ps"}.get(k, k):
                    renamed(v) for k, v in value.items()}
        return [renamed(v) for v in value] if isinstance(value, list) else value

    expected = {**renamed(old), "schema": SCHEMA}
    energy, programmed = old["energy"]["scopes_aj"], old["programming"]["per_image"]["energy_aj"]
    for part, macs in (("effective", "kept_macs"), ("dense_equivalent", "macs")):
        assert expected[part].pop("tops_per_w") == pytest.approx(
            2 * old["counts"][macs] / (energy["whole"] + programmed) * 1e6)
        by_scope = expected[part]["tops_per_w_by_scope"] = new.data[part]["tops_per_w_by_scope"]
        assert by_scope == pytest.approx({scope: 2 * old["counts"][macs] / (energy[scope] + programmed) * 1e6
                                          for scope in ("compute", "chip", "whole")})
    assert new.data == expected  # and nothing else
    text = new.summary()
    assert "pipeline interval" in text and "(energy, scope whole)" in text  # it knows its components in no other scope


def test_every_number_leads_to_the_present_one():
    assert (SCHEMA, *(f"xbarch.result/{n}" for n in range(1, int(SCHEMA.rpartition("/")[2])))) == READABLE
    assert set(MIGRATIONS) == set(READABLE) - {SCHEMA}
    known = {row.path for row in fields.rows()}
    assert all(new in known and old not in known for old, new in RENAMED.items())


@pytest.mark.parametrize(("change", "says"), [
    ({"schema": "xbarch.result/3"}, "schema: must be xbarch.result/2 or xbarch.result/1, not 'xbarch.result/3'"),
    ({"schema": None}, "schema: must be"), ({"latency": 3}, "latency"), ({"segments": [3]}, "segments.0"),
    ({"segments": 3}, "segments"), ({"latency": {}}, "latency"),
    ({"effective": 3}, "effective"), ({"effective": {}}, "effective"), ({"energy": 3}, "energy")])
def test_damaged_files_of_the_first_schema(change, says):
    with pytest.raises(InputError) as caught:
        parse({**json.loads((HERE / "result_1.json").read_text()), **change})
    assert says in str(caught.value)


def test_a_sweep_of_a_renamed_figure_is_told_the_new_name():
    asked = Sweep(kind="sweep", architectures=["isaac_like"], workloads=["vgg7_pruned"],
                  figures=["latency.interval_ps"])
    with pytest.raises(InputError, match=r"figures.0.*did you mean 'pipeline_interval_ps'"):
        check_figures(asked)


# -- figures that cannot be -----------------------------------------------------------------------------------

@pytest.mark.parametrize("slot", ["100 s", "1000 s"])
def test_long_reads_overflow_nothing(slot):
    """A read as long as the spec allows: shares are as with any other slot, since everything scales with it."""
    def shares(slot):
        run = isaac(single(64, 32, 60), images=1, ideal=("off_chip", "network"), more=[f"pipeline.slot={slot}"])
        return record(run).utilization

    long, short = shares(slot), shares("1 us")
    assert 0 < long.crossbar_time <= 1 and long.adc_time >= 0
    assert long.crossbar_time == pytest.approx(short.crossbar_time, rel=0.05)
    assert long.cells == short.cells


def test_exact_sums():
    """Against Python's integers, on both sides of where int64 ends."""
    dice = np.random.default_rng(0)
    for most in (10, 2**20, 2**31, 2**62):
        a, b, c = dice.integers(0, most, (3, 50))
        expected = sum(int(x) * int(y) * int(z) for x, y, z in zip(a, b, c, strict=True))
        assert exact.total(a, b, c) == expected
        assert exact.total(a) == sum(map(int, a))
    assert exact.total(np.zeros(0, np.int64)) == 0
    assert exact.safe_type(2**63 - 1) is np.int64 and exact.safe_type(2**63) is object


@pytest.fixture(scope="module")
def run():
    return isaac(single(64, 32, 60), images=2)


def test_an_impossible_share_is_xbarchs_own_error(run):
    """Whatever went wrong before, no record says that a crossbar reads for longer than there is time, or less than
    nothing."""
    share = Fraction(record(run).utilization.crossbar_time)
    interval = run.steady.interval_ps * share / 2  # reads take twice as long
    steady = replace(run.steady, kind="exact", interval_ps=interval)
    with pytest.raises(ConservationError, match=r"utilization.crossbar_time: must be at most 1 in a steady state"):
        record(replace(run, steady=steady))
    with pytest.raises(ConservationError, match="result: "):
        record(replace(run, steady=replace(run.steady, interval_ps=-run.steady.interval_ps)))


def test_a_name_too_long_for_a_record_is_the_inputs_fault(run):
    with pytest.raises(InputError, match=r"result: .*at most 2000 characters"):
        record(replace(run, overrides=("x" * 2001,)))


@pytest.mark.parametrize(("part", "key", "value"), [
    ("utilization", "cells", -0.1), ("utilization", "cells", 1.1), ("utilization", "cells_chip", float("nan")),
    ("utilization", "crossbar_time", -0.003), ("energy", "per_image_aj", -1), ("counts", "macs", 1.5)])
def test_values_out_of_range_are_refused(result, part, key, value):
    data = json.loads(result.to_json())
    data[part][key] = value
    with pytest.raises(InputError, match=rf"{part}.{key}"):
        parse(data)


def test_results_are_values(result):
    assert Result(result.record) == result and result["schema"] == schema.SCHEMA
    with pytest.raises(AttributeError):
        result.record = None
