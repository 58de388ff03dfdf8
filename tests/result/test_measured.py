"""Accuracy on a machine: against the slow executor image by image, its interval, and where it stands."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from rigs import fitted

import xbarch
from xbarch.choice import choose_datapath
from xbarch.errors import InputError
from xbarch.functional.network import through
from xbarch.request import Request
from xbarch.result.accuracy import wilson
from xbarch.result.summary import facts
from xbarch.run import prepare
from xbarch.workload.images import shown as images_of
from xbarch.workload.infer import infer

SHORT = {"datapath": "dense", "overrides": ("crossbar.adc_bits=7",)}


def right(name, images, **choices):
    """Images that the slow executor and the integer network classify correctly."""
    setup = prepare(Request(arch="isaac_like", workload=name, **choices))
    network, last = setup.network, setup.network.layers[-1].name
    shown = images_of(network, images)
    path = choose_datapath(network, choices.get("datapath"), None)
    ran = through(network, path, setup.machine.geometry, list(shown.pixels),
                  sensing=partial(fitted, setup.machine.sensing))
    real = [int(np.argmax(values[last])) for values in ran]
    exact = [int(np.argmax(infer(network, image)[last])) for image in shown.pixels]
    return (np.array(real) == shown.labels).mean(), (np.array(exact) == shown.labels).mean()


@pytest.mark.full
def test_shares_are_those_of_the_slow_executor():
    found = xbarch.accuracy("isaac_like", "vgg7_pruned", images=12, **SHORT)
    assert (found.value, found.integer_network) == right("vgg7_pruned", 12, **SHORT)
    assert found.images == 12 and not found.proven and max(found.clipped_share.values()) > 0


@pytest.mark.full
def test_short_converters_cost_accuracy():
    few = xbarch.accuracy("isaac_like", "vgg7_pruned", images=48, datapath="dense", overrides=("crossbar.adc_bits=6",))
    assert (few.value, few.integer_network) == right(
        "vgg7_pruned", 48, datapath="dense", overrides=("crossbar.adc_bits=6",))
    assert few.value < 0.3 < few.integer_network and few.same_class < 0.5


def test_where_nothing_can_clip_the_integer_network_is_the_machines(monkeypatch):
    monkeypatch.setattr("xbarch.functional.fast.Prepared.of", None)  # no crossbar is executed
    found = xbarch.accuracy("isaac_like", "vgg7_pruned", images=40, datapath="dense")
    assert found.proven and found.value == found.integer_network and found.same_class == 1
    assert set(found.clipped_share.values()) == {0} and len(found.clipped_share) == 8
    assert repr(found).count("\n") == 0 and "n = 40" in repr(found) and "on this machine" in repr(found)


def test_all_images_where_there_are_fewer(monkeypatch):
    from xbarch.result import accuracy

    asked = []
    def all_right(seen, made, draw):
        asked.append(len(seen.shown.labels))
        return accuracy.Look(np.ones((asked[-1], 2)), seen.shown.labels)

    monkeypatch.setattr(accuracy._Seen, "look", all_right)
    found = xbarch.accuracy("isaac_like", "resnet18_dense", datapath="dense")
    assert asked == [359] and found.images == 359 and found.value == 1
    assert found.interval_95[1] == 1 and found.interval_95[0] == pytest.approx(0.98941, abs=1e-5)


def test_the_interval_is_wilsons():
    """Checked against Newcombe, Statistics in Medicine 17, 857 (1998), table I, method 3."""
    for hits, count, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
                                   (1, 29, 0.0061, 0.1718), (20, 20, 0.8389, 1.0)):
        assert wilson(hits, count) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.full
def test_it_stands_in_the_result_and_its_digest():
    asked = Request(arch="isaac_like", workload="vgg7_pruned", images=2, accuracy=8, **SHORT)
    result, plain = xbarch.simulate(asked), asked.changed(accuracy=None)
    found = result.accuracy.on_this_machine
    assert found.images == 8 and found.value == xbarch.accuracy(asked).value
    assert found.interval_95 == pytest.approx(list(wilson(round(8 * found.value), 8)))
    assert f"accuracy on this machine {found.value:.2%} (n = 8)" in repr(result)
    assert f"integer network {found.integer_network:.2%}" in dict(facts(result.record))["accuracy"]
    assert asked.digest() != plain.digest() != asked.changed(accuracy=9).digest()
    assert xbarch.simulate(plain).accuracy.on_this_machine is None


@pytest.mark.full
def test_reloaded_segments_share_the_accuracy_of_the_whole():
    found = xbarch.simulate("isaac_like", "vgg7_pruned", datapath="dense", reload=True, batch=4, policy="one_copy",
                            accuracy=8, images=2, overrides=("hierarchy.tiles=1",))
    assert len(found.segments) > 1
    assert found.accuracy.on_this_machine.value == xbarch.accuracy(
        "isaac_like", "vgg7_pruned", datapath="dense", images=8).value


@pytest.mark.full
def test_a_plugin_that_forgets_is_refused_even_where_its_bound_fits(tmp_path):
    """What it stores is what counts."""
    (tmp_path / "odd.py").write_text(
        "from dataclasses import replace\nfrom xbarch.datapaths.dense import Dense\n\n\nclass Odd(Dense):\n"
        "    name, summary, provenance = 'odd', 'dense, but forgets', 'a test'\n\n"
        "    def pack(self, layer, geometry):\n"
        "        def emptied(block):\n"
        "            def contents():\n"
        "                found = block.contents()\n"
        "                return replace(found, coefficient=found.coefficient * 0)\n"
        "            return replace(block, contents=contents)\n"
        "        return [emptied(b) for b in super().pack(layer, geometry)]\n")
    from xbarch.plugins import registry

    registry.load_file(tmp_path / "odd.py")
    with pytest.raises(InputError, match=r"data path odd: layer features\.0: the outputs differ"):
        xbarch.accuracy("isaac_like", "vgg7_pruned", images=32, datapath="odd")


def test_refused():
    for images, says in ((0, "must be a whole number from 1 to 100,000"), (True, "must be a whole number")):
        with pytest.raises(InputError, match=says):
            xbarch.accuracy("isaac_like", "vgg7_pruned", images=images)
    with pytest.raises(InputError, match="never trained"):
        xbarch.simulate("isaac_like", "vgg8_dense8", accuracy=5)
    with pytest.raises(InputError, match="takes no other arguments"):
        xbarch.accuracy(Request(arch="isaac_like", workload="vgg7_pruned"), datapath="dense")


def test_progress_is_reported():
    seen = []
    xbarch.accuracy("isaac_like", "vgg7_pruned", images=40, datapath="dense",
                    progress=lambda *step: seen.append(step[:2]))
    assert seen[0] == (0, 40) and seen[-1] == (40, 40) and seen == sorted(seen)


@pytest.mark.full
def test_the_command(call, tmp_path):
    words = ("accuracy", "-a", "isaac_like", "-w", "vgg7_pruned", "-d", "dense", "--images", "8")
    code, out, err = call(*words, "--set", "crossbar.adc_bits=7", "--out", tmp_path / "out")
    assert (code, err) == (0, "") and "accuracy on this machine" in out and "conversions that clip" in out
    written = json.loads((tmp_path / "out" / "accuracy.json").read_text())
    code, out, _ = call(*words, "--set", "crossbar.adc_bits=7", "--json")
    assert json.loads(out) == written and written["images"] == 8 and len(written["clipped_share"]) == 8
    code, out, _ = call(*words)
    assert code == 0 and "no conversion can clip" in out
    code, out, err = call("accuracy", "-a", "isaac_like", "-w", "vgg8_dense8")
    assert code == 2 and out == "" and err.count("\n") == 1 and "never trained" in err


@pytest.mark.full
def test_one_result_beside_another():
    from xbarch.render.compared import comparison

    a = xbarch.simulate("isaac_like", "vgg7_pruned", images=1, accuracy=4, **SHORT)
    b = xbarch.simulate("isaac_like", "vgg7_pruned", images=1, datapath="dense")
    lines = {line.figure.key: line for line in comparison([a, b])}
    assert lines["accuracy.on_this_machine.value"].values == [a.accuracy.on_this_machine.value, None]
    assert lines["correctness.clipped_share"].values == [a.correctness.clipped_share, 0]
    old = replace(b, record=b.record.model_copy(update={"correctness": None, "accuracy": None}))
    assert not {"accuracy.on_this_machine.value", "correctness.clipped_share"} & {
        line.figure.key for line in comparison([old, old])}
