"""Draws of devices times images: the interval over both, when draws end, and a small network on them."""

import json
from itertools import pairwise

import numpy as np
import pytest

import xbarch
from xbarch.errors import InputError
from xbarch.result.devices import Arrays, drawn, half_width, student

WORKLOAD = "digit_pairs/vgg7_xue_2bit"


@pytest.mark.parametrize(("freedom", "value"), [  # tables of Student's distribution
    (1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (30, 2.042), (120, 1.980)])
def test_students_quantile(freedom, value):
    assert abs(student(freedom) - value) < 6e-4


def test_the_interval_covers_the_mean_as_often_as_it_says():
    """Right answers with a share that depends on the device and on the image: 95 of 100 intervals hold the mean."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        device, image = rng.normal(0, 0.08, (5, 1)), rng.normal(0, 0.15, (1, 200))
        right = rng.random((5, 200)) < 0.5 + device + image
        held += abs(right.mean() - 0.5) <= half_width(right)
    assert 0.92 <= held / 400 <= 0.99


def test_one_device_has_no_interval_over_devices():
    assert half_width(np.ones((1, 10), bool)) is None and half_width(np.ones((3, 10), bool)) == 0


def test_draws_end_where_the_interval_is_narrow():
    rows = np.random.default_rng(0).random((50, 400)) < 0.9
    whole = drawn(50, None, lambda k: rows[k])
    some = drawn(50, 0.03, lambda k: rows[k])
    assert len(whole) == 50 and 3 <= len(some) < 50
    assert half_width(some) <= 0.03 and (len(some) == 3 or half_width(some[:-1]) > 0.03)


def test_without_anything_random_one_device_is_made():
    """Converters with calibrated full scales on exact cells."""
    found = xbarch.accuracy("isaac_like", WORKLOAD, images=4, draws=7, overrides=[
        "noise.full_scale=calibrated", "noise.calibration.images=2"])
    assert len(found.devices.values) == 1


def test_draws_that_were_interrupted_go_on(tmp_path, monkeypatch):
    """A call that dies in its third draw, then one for four: two draws are made, and the result is that of an unbroken
    call. Other images, devices or noise are other draws."""
    made, dies = [], [2]
    draw = Arrays.draw

    def counted(self, number):
        if number in dies:
            raise KeyboardInterrupt
        made.append(number)
        return draw(self, number)

    def ask(draws, images=4):
        made.clear()
        return xbarch.accuracy("isaac_like", WORKLOAD, images=images, draws=draws, overrides=[
            "noise.full_scale=ideal", "noise.effects.programming.independent=0.1"])

    monkeypatch.setattr(Arrays, "draw", counted)
    monkeypatch.setenv("XBARCH_CACHE_MB", "1000")
    monkeypatch.setenv("XBARCH_CACHE", str(tmp_path / "one"))
    with pytest.raises(KeyboardInterrupt):
        ask(3)
    dies.clear()
    found = ask(4)
    assert made == [2, 3] and found.devices.seed == 0
    assert ask(2).devices.values == found.devices.values[:2] and not made
    ask(1, images=9)
    assert made == [0]
    monkeypatch.setenv("XBARCH_CACHE_MB", "0")
    assert ask(4).plain() == found.plain() and made == [0, 1, 2, 3]


@pytest.mark.full
def test_accuracy_on_devices(call):
    """Without errors one device stands for all; with them draws differ, and the same seed repeats them."""
    ask = {"images": 16, "draws": 3, "datapath": "dense"}
    same = xbarch.accuracy("isaac_like", WORKLOAD, overrides=["noise.full_scale=ideal"], **ask)
    assert same.same_class == 1 and same.value == same.integer_network and not same.proven
    assert same.devices.spread is None and len(same.devices.values) == 1
    noisy = ["accuracy", "-a", "isaac_like", "-w", WORKLOAD, "-d", "dense", "--images", "16", "--draws", "3", "--noise",
             "reram_wan_2022_1day", "--set", "noise.full_scale=ideal", "--json"]
    code, out, _ = call(*noisy)
    first = json.loads(out)
    assert code == 0 and first["devices"]["draws"] == 3 and first["same_class"] < 1
    assert len(set(first["devices"]["same_class"])) > 1 and json.loads(call(*noisy)[1]) == first
    other = json.loads(call(*noisy[:-1], "--set", "noise.seed=1", "--json")[1])
    assert other["devices"]["same_class"] != first["devices"]["same_class"]


@pytest.mark.parametrize(("given", "says"), [
    ({"draws": 0}, "draws: must be a whole number from 1 to 10,000, not 0"),
    ({"until": 1.5}, "until: must be a share above 0 and below 1, such as 0.01, not 1.5"),
    ({"noise": "nothing_such"}, "nothing_such: no such file")])
def test_bad_input(given, says):
    with pytest.raises(InputError) as refused:
        xbarch.accuracy("isaac_like", WORKLOAD, images=1, **given)
    assert says in str(refused.value)


@pytest.mark.full
def test_calibrated_converters_keep_what_unit_steps_lose():
    """Six bits: sums beyond 63 levels saturate with unit steps; a calibrated full scale loses next to nothing."""
    ask = {"images": 64, "draws": 1, "datapath": "dense"}
    unit, scaled = (xbarch.accuracy("isaac_like", "digit_pairs/vgg7_dense_longer", overrides=[
        "crossbar.adc_bits=6", f"noise.full_scale={scale}"], **ask) for scale in (63, "calibrated"))
    assert unit.same_class < 0.5 < 0.85 < scaled.same_class


@pytest.mark.long
@pytest.mark.parametrize("law", ["independent", "proportional"])
def test_accuracy_falls_with_the_error(law):
    """Same class over ten devices, within the sum of both half-widths."""
    found = [xbarch.accuracy("isaac_like", WORKLOAD, images=200, draws=10, overrides=[
        f"noise.effects.programming.{law}={sigma}", "noise.full_scale=ideal"]) for sigma in (0.02, 0.05, 0.1, 0.2)]
    for less, more in pairwise(found):
        assert more.value <= less.value + less.devices.half_width + more.devices.half_width
