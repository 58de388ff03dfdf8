"""What a noise block may say, and the one sentence where it says something else."""

import pytest

from xbarch.errors import InputError
from xbarch.machine.build import buildable
from xbarch.request import Contents, Request
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.specs.noise import Noise
from xbarch.studies.runs.axes import variants


def built(*overrides, name="isaac_like"):
    architecture = load(name, Architecture, [f"noise.{text}" if "=" in text else text for text in overrides])
    buildable(architecture)
    return architecture.noise


@pytest.mark.parametrize(("overrides", "says"), [
    (["conductance.on_off=0.5"], "must be more than 1, not 0.5"),
    (["effects.stuck={on: 0.7, off: 0.6}"], "off and on must be at most 1 together, not 1.3"),
    (["effects.stuck.on=1.5"], "noise.effects.stuck.on: must be at most 1, not 1.5"),
    (["effects.programming={independent: 0.1, polynomial: [0.1]}"], "states the standard deviation twice"),
    (["effects.programmed.independent=0.1"], "unknown effect 'programmed'"),
    (["effects.programming.sigma=0.1"], "unknown key 'sigma'"),
    (["full_scale=0"], "must be unit, array, calibrated, stored, ideal or 1 to 1,048,576 cell levels, not 0"),
    (["preset=pcm_joshi_2021"], "pcm_joshi_2021: no such file; the bundled noise presets are"),
    (["full_scale=ideal", "effects.converter.offset=1"], "must not be ideal with the effect converter"),
    (["calibration.lower_end=low"], "must be zero or calibrated, not 'low'"),
    (["calibration.lower_end=calibrated"],
     "noise.calibration.lower_end=calibrated: needs full_scale: calibrated, not unit, or nothing reads it"),
    (["full_scale=40", "calibration.per=column"], "noise.calibration.per=column: needs full_scale: calibrated, not 40"),
    (["full_scale=stored", "calibration={per: column, images: 9}"], "noise.calibration.per: needs full_scale: calibra"),
    (["conductance.subtracted=false"], "noise.conductance.subtracted=false: must be true without on_off"),
    (["effects.programming.verify={tolerance: 0.1, rounds: 3}"],
     "noise.effects.programming.verify: needs the error of a pulse; state independent, proportional, polynomial or"),
    (["effects.drift={seconds: 100, compensation: none}"],
     "noise.effects.drift.compensation: needs exponent or spread"),
    (["effects.converter={offset: 1, codes: 16}"], "noise.effects.converter.codes: needs integral or differential"),
    (["cell_bits=4"], "is for cells of 4 bits, but crossbar.cell_bits is 2"),
])
def test_contradictions_are_one_sentence(overrides, says):
    with pytest.raises(InputError) as refused:
        built(*overrides)
    said = str(refused.value)
    assert says in said and "\n" not in said and "noise" in said, said


@pytest.mark.parametrize("overrides", [
    ["full_scale=ideal", "calibration.percentile=99"],  # a run without converters beside one with them
    ["full_scale=stored", "calibration={percentile: 99, images: 9}"],  # training starts from these
    ["full_scale=array", "calibration.lower_end=zero"],
    ["effects.programming={independent: 0, verify: {tolerance: 0.1, rounds: 3}}"],  # a point of a sweep
    ["effects.converter={integral: 0, codes: 16}"],
    ["effects.drift={seconds: 100, spread: {offset: 0.1}}"],
])
def test_what_is_read_or_moot_is_taken(overrides):
    assert built(*overrides) is not None


def test_a_refused_field_names_its_line(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("extends: isaac_like\nnoise:\n  calibration:\n    lower_end: calibrated\n")
    with pytest.raises(InputError, match=r"mine\.yaml:4: noise\.calibration\.lower_end: needs full_scale: calibrated"):
        load(file, Architecture)


def test_amplifiers_that_drop_low_bits_have_no_other_full_scale():
    with pytest.raises(InputError, match="must be unit or ideal with sense_amplifier"):
        built("full_scale=array", name="prime_like")


def test_codes_of_both_signs_have_no_lower_end():
    with pytest.raises(InputError, match=r"noise\.calibration\.lower_end: must be zero where a crossbar subtracts"):
        buildable(load("isaac_like", Architecture, [
            "crossbar.subtraction=analog", "noise.full_scale=calibrated", "noise.calibration.lower_end=calibrated"]))


def test_own_fields_go_before_those_of_the_preset(tmp_path):
    found = built("preset=pcm_joshi_2020", "conductance.on_off=50", "effects.stuck.off=0.1")
    assert (found.conductance.on_off, found.conductance.highest) == (50, 25_000_000)
    assert set(found.effects) == {"programming", "stuck"}
    (tmp_path / "mine.yaml").write_text("effects: {read: {independent: 0.2}}\n")
    assert built(f"preset={tmp_path / 'mine.yaml'}").effects == {"read": {"independent": 0.2}}
    (tmp_path / "mine.yaml").write_text("- 1\n")
    with pytest.raises(InputError, match=r"mine\.yaml: must hold key: value lines"):
        built(f"preset={tmp_path / 'mine.yaml'}")


def test_what_changes_nothing_is_ideal():
    assert Noise().ideal and Noise(conductance={"on_off": 10}).ideal
    assert not Noise(conductance={"on_off": 10, "subtracted": False}).ideal
    assert not Noise(full_scale="array").ideal and not Noise(effects={"read": {}}).ideal


def test_a_digest_follows_the_content_of_a_preset(tmp_path):
    """A preset is a file of its own; a request that names it depends on what it says."""
    file, digests = tmp_path / "mine.yaml", []
    for sigma in (0.1, 0.2):
        file.write_text(f"effects: {{read: {{independent: {sigma}}}}}\n")
        request = Request(arch="isaac_like", workload="vgg7_pruned", overrides=(f"noise.preset={file}",))
        digests.append(Contents().machine(request))
    assert digests[0] != digests[1]


def test_fields_of_noise_are_axes_of_a_sweep():
    found = list(variants({"noise.effects.programming.independent": [0.02, 0.05], "draws": [2]}))
    assert [v.overrides for v in found] == [("noise.effects.programming.independent=0.02",),
                                            ("noise.effects.programming.independent=0.05",)]
    assert found[0].choices == {"draws": 2}
