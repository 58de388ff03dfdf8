"""The bundled architectures: complete, cited, and the counts that ISAAC prints."""

from fractions import Fraction

import pytest
from pydantic import BaseModel

from xbarch.specs.architecture import Architecture
from xbarch.specs.component import Scaled
from xbarch.specs.crossbar import Sensed
from xbarch.specs.load import load
from xbarch.support import bundled

NAMES = bundled.names("architectures")


def models(value):
    """Every model inside a model."""
    if isinstance(value, BaseModel):
        yield value
        for name in type(value).model_fields:
            yield from models(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from models(item)
    elif isinstance(value, list):
        for item in value:
            yield from models(item)


def test_isaac_is_bundled():
    assert "isaac_like" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_everything_has_a_source(name):
    architecture = load(name, Architecture)
    found = list(models(architecture))
    assert len(found) >= 10 + len(architecture.components)
    for model in found:
        assert isinstance(model, Sensed | Scaled) or model.source.strip(), model  # a name, no number


@pytest.mark.parametrize("name", NAMES)
def test_name_is_the_file_name(name):
    assert load(name, Architecture).name == name


@pytest.mark.parametrize("name", NAMES)
def test_dumped_and_loaded_again_is_equal(name, tmp_path):
    architecture = load(name, Architecture)
    path = tmp_path / "dumped.yaml"
    path.write_text(architecture.model_dump_json(by_alias=True), encoding="utf-8")  # JSON is YAML
    assert load(path, Architecture) == architecture


def test_isaac_counts():
    # Shafiee et al., ISCA 2016, Table I (corrected October 2016)
    a = load("isaac_like", Architecture)
    assert (a.hierarchy.tiles, a.hierarchy.imas_per_tile, a.hierarchy.crossbars_per_ima) == (168, 12, 8)
    assert (a.crossbar.rows, a.crossbar.columns, a.crossbar.cell_bits) == (128, 128, 2)
    assert (a.crossbar.dac_bits, a.crossbar.adc_bits, a.crossbar.unit_column) == (1, 8, True)
    assert a.crossbars == 16_128
    assert a.crossbar.read == 100_000                                    # ps
    assert a.buffer.size == 64 * 1024 * 8 and a.bus.wires == 384
    assert a.bus.bandwidth * a.crossbar.read == 1024 * 8 * 10**12       # 1 KB in 100 ns
    assert a.off_chip.bandwidth == 4 * 6.4e9 * 8


@pytest.mark.parametrize("name, count, power_uw, area_mm2", [
    ("edram", 1, 20_700, 0.083), ("bus", 1, 7_000, 0.090), ("router", "1/4", 42_000 / 4, 0.151 / 4),
    ("activation", 2, 520, 0.0006), ("tile_shift_add", 1, 50, 0.00006), ("maxpool", 1, 400, 0.00024),
    ("tile_output_register", 1, 1_680, 0.0032), ("adc", 8, 16_000, 0.0096), ("dac", 1024, 4_000, 0.00017),
    ("sample_hold", 1024, 10, 0.00004), ("crossbar", 8, 2_400, 0.0002), ("shift_add", 4, 200, 0.00024),
    ("input_register", 1, 1_240, 0.0021), ("output_register", 1, 230, 0.00077),
    ("hypertransport", 4, 10_400_000, 22.88),
])
def test_isaac_components(name, count, power_uw, area_mm2):
    component = load("isaac_like", Architecture).components[name]
    assert Fraction(component.count) == Fraction(count)
    assert (component.power, component.area) == (power_uw, round(area_mm2 * 1e12))


def test_isaac_has_no_other_component():
    assert len(load("isaac_like", Architecture).components) == 16


def test_isaac_pipeline_is_22_cycles_for_16_bits():
    pipeline = load("isaac_like", Architecture).pipeline
    reads = 16 * 100_000
    assert reads + sum(stage.latency for stage in pipeline.stages) == 22 * 100_000
