"""The bench: every request an answer, each run once, whoever shares the store and whatever goes wrong."""

import pytest

import xbarch
from xbarch.errors import InputError, XbarchError
from xbarch.request import Request
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.studies.runs import batch
from xbarch.studies.runs.answer import Answer, answer
from xbarch.studies.runs.axes import Variant, merge_overrides, variants
from xbarch.studies.runs.bench import Bench, resumable_store

SPEED = "throughput.images_per_second"


def request(**more):
    return Request(**{"arch": "isaac_like", "workload": "vgg7_pruned", "images": 1, "policy": "one_copy", **more})


@pytest.fixture
def counted(monkeypatch):
    """The requests that this process runs."""
    ran = []
    monkeypatch.setattr(batch, "answer", lambda each, *more: ran.append(each) or answer(each, *more))
    return ran


def test_a_loaded_architecture_runs_in_this_process(counted):
    """It cannot travel to another; requests that can do."""
    loaded = load("isaac_like", Architecture, ["crossbar.adc_bits=7"])
    here, others = request(arch=loaded), [request(images=n) for n in (1, 2)]
    bench = Bench(processes=2)
    bench.run([*others, here])
    assert counted == [here]
    expected = xbarch.simulate("isaac_like", "vgg7_pruned", images=1, policy="one_copy",
                               overrides=["crossbar.adc_bits=7"])
    found = bench.answer(here)
    assert found.result[SPEED] == expected[SPEED] and found.facts["adc_bits"] == 7
    assert [bench.answer(each).why for each in others] == ["", ""] and counted == [here]


def test_an_unexpected_error_is_an_answer_and_ends_nothing(monkeypatch):
    from xbarch.datapaths.meng import Meng

    def pack(self, layer, geometry):
        raise ZeroDivisionError("by mistake")

    monkeypatch.setattr(Meng, "pack", pack)
    wrong, right = request(), request(datapath="dense")
    bench = Bench(processes=1)
    bench.run([wrong, right])
    assert "ZeroDivisionError" in bench.answer(wrong).why and bench.answer(wrong).figures() == {}
    assert bench.answer(right).why == "" and bench.answer(right).figures()["latency.first_image_ps"] > 0


def test_an_error_of_xbarch_itself_asks_for_a_report(monkeypatch):
    def perform(setup):
        raise KeyError("gone")

    monkeypatch.setattr("xbarch.studies.runs.answer.perform", perform)
    found = answer(request())
    assert found.error == "XbarchError" and found.why == "KeyError: 'gone' (a bug in xbarch; please report it)"


def test_benches_share_a_store(tmp_path, counted):
    """What one has answered, another does not run, be it read before or after the other's answer was stored."""
    path = tmp_path / "runs.sqlite"
    first, second = Bench(path, 1), Bench(path, 1)
    second.run([request(images=2)])
    first.run([request(images=1), request(images=2)])
    second.run([request(images=1)])
    assert [each.images for each in counted] == [2, 1]
    assert first.answer(request(images=1)) == second.answer(request(images=1))
    assert Bench(path, 1).run([request(images=2)]).values() and len(counted) == 2


def test_a_store_that_is_resumed_stays_after_a_failure_alone(tmp_path):
    with pytest.raises(RuntimeError), resumable_store(tmp_path, "x") as path:
        Bench(path, 1).run([request()])
        raise RuntimeError
    assert path == tmp_path / "runs.sqlite" and path.exists()
    with resumable_store(tmp_path, "x") as path:
        assert path.exists()
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_the_cache_holds_it_under_its_content(tmp_path, monkeypatch):
    monkeypatch.setenv("XBARCH_CACHE", str(tmp_path))
    monkeypatch.setenv("XBARCH_CACHE_MB", "64")
    with resumable_store(None, ["a"]) as a, resumable_store(None, ["b"]) as b:
        assert a != b and a.parent == b.parent == tmp_path / "runs"
    monkeypatch.setenv("XBARCH_CACHE_MB", "0")
    with resumable_store(None, ["a"]) as path:
        assert path is None


def test_the_processes_are_checked():
    with pytest.raises(InputError, match="processes: must be 1 to 1,024, not 0"):
        Bench(processes=0)


def test_a_failed_answer_tells_class_and_sentence():
    found = Answer.failed(XbarchError("broken"))
    assert (found.why, found.reason, found.error, found.short) == ("broken", "broken", "XbarchError", "broken")


def test_variants_are_every_combination_the_last_axis_fastest():
    found = list(variants({"mode": ["pipelined", "batch"], "crossbar.rows, options.group_ch": [[64, 8], 16]}))
    assert [v.values for v in found] == [
        ("pipelined", 64, 8), ("pipelined", 16, 16), ("batch", 64, 8), ("batch", 16, 16)]
    assert found[0].apply({"images": 3}, {"diagonal": True}) == {
        "images": 3, "mode": "pipelined", "overrides": ("crossbar.rows=64",),
        "options": {"diagonal": True, "group_ch": 8}, "density": {}}
    assert str(found[0]) == "mode=pipelined, crossbar.rows=64, options.group_ch=8" and str(Variant()) == ""


def test_of_two_overrides_of_a_field_the_later_one_stays():
    assert merge_overrides(["a.b=1", "c=2"], ["a.b = 3"]) == ("a.b = 3", "c=2")
