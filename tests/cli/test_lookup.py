"""`list` and `show`: every kind of thing that has a name, guesses at misspelt ones, eighty columns."""

import json

import pytest

from xbarch.cli import names


@pytest.mark.quick(6)
@pytest.mark.parametrize("name, kind", [
    ("isaac_like", "architecture"), ("resnet18_pruned", "workload"), ("digit_pairs", "workload"),
    ("digit_pairs/vgg7_segprune_8x", "workload"), ("vgg16_imagenet_dense16", "workload"), ("field20", "study"),
    ("resnet18_sweep", "sweep"), ("meng", "data path"), ("sar_adc", "sensing unit"), ("flash", "scaling model"),
    ("mesh", "topology"), ("refresh", "unit process"),
])
def test_shows_whatever_has_a_name(call, name, kind):
    code, out, _ = call("show", name, "--json")
    shown = json.loads(out)
    assert code == 0 and shown["kind"] == kind and shown["name"] == name and shown["from"] == "xbarch"
    code, out, _ = call("show", name)
    assert code == 0 and name in out and "from xbarch" in out


def test_shows_files_and_stored_folders(call, tmp_path):
    (tmp_path / "mine.yaml").write_text("extends: isaac_like\nname: mine\n")
    assert json.loads(call("show", tmp_path / "mine.yaml", "--json")[1])["kind"] == "architecture"
    (tmp_path / "s.yaml").write_text("kind: study\ntitle: both\narchitectures: [a, b]\nworkloads: [w]\n")
    shown = json.loads(call("show", tmp_path / "s.yaml", "--json")[1])
    assert shown["summary"] == "both" and shown["details"]["architectures"] == "a, b"


@pytest.mark.quick(1)
@pytest.mark.parametrize("wrong, right", [
    ("resnet18_prund", "'resnet18_pruned' (a workload)"), ("issac_like", "'isaac_like' (an architecture)"),
    ("digit_pairs/vgg7_segprun_8x", "'digit_pairs/vgg7_segprune_8x' (a workload)"), ("mengs", "'meng' (a data path)"),
    ("resnet18_swep", "'resnet18_sweep' (a study, sweep or search)"), ("refrehs", "'refresh' (a unit process)"),
])
def test_guesses_over_all_kinds(call, wrong, right):
    code, out, err = call("show", wrong)
    assert code == 2 and not out and err.count("\n") == 1 and f"did you mean {right}?" in err


def test_only_architectures_are_changed(call):
    code, _, err = call("show", "meng", "--set", "crossbar.rows=64")
    assert code == 2 and "--set: only an architecture can be changed, meng is a data path" in err


@pytest.mark.quick(1)
@pytest.mark.parametrize("kind", names.KINDS)
def test_lists_a_kind(call, monkeypatch, kind):
    monkeypatch.setenv("COLUMNS", "80")
    listed = json.loads(call("list", kind, "--json")[1])
    assert list(listed) == [kind] and listed[kind]
    code, out, _ = call("list", kind)
    lines = out.splitlines()
    assert code == 0 and lines[0].strip() == kind and len(lines) == 1 + len(listed[kind])
    assert all(len(line) <= 80 for line in lines)
    assert [line.split()[0] for line in lines[1:]] == [entry["name"] for entry in listed[kind]]
    assert len(call("list", kind, "--long")[1].splitlines()) > len(lines)


def test_a_kind_that_there_is_not(call):
    code, _, err = call("list", "datapath")
    assert code == 2 and "did you mean 'datapaths'?" in err


def test_the_heading_describes_the_machine_as_changed(call):
    """Prices that no model scales are named, with what they are written for."""
    code, out, _ = call("show", "puma_like", "--set", "crossbar.rows=256", "--set", "crossbar.dac_bits=2")
    said = " ".join(out.split())
    assert code == 0 and "crossbars; 256 x 128 cells of 2 bits, 2-bit inputs, 8-bit converters (1 per crossbar)" in said
    assert "changed: crossbar.rows=256, crossbar.dac_bits=2" in said
    assert "Prices not for this geometry, as no model scales them; written for crossbar crossbar.dac_bits 1" in said
