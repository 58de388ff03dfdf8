"""The command line as a user meets it: output, exit codes, one sentence for every wrong input."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from xbarch import bundled, cli


@pytest.fixture
def call(capsys, monkeypatch):
    """Run a command in this process: (exit code, standard output, standard error)."""
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["xbarch", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        out = capsys.readouterr()
        return code, out.out, out.err
    return run


RUN = ("simulate", "--arch", "isaac_like.yaml", "--workload", "vgg7_pruned", "--images", 2)
REQUIRED = [
    "schema", "provenance", "workload.name", "workload.trained_on", "workload.synthetic", "workload.accuracy",
    "policy", "mapping.crossbars", "mapping.tiles", "mapping.layers", "throughput.images_per_second",
    "latency.first_image_ps", "latency.interval_ps", "energy.per_image_aj", "energy.scopes_aj.compute",
    "energy.scopes_aj.chip", "energy.scopes_aj.whole", "energy.by_component_aj", "energy.by_layer_aj",
    "area.total_mm2", "area.used_mm2", "area.by_component_mm2", "power.average_w", "power.peak_w", "peak.tops",
    "peak.tops_per_w", "peak.tops_per_mm2", "utilization.cells", "utilization.crossbar_time", "utilization.adc_time",
    "counts.macs", "counts.conversions", "counts.buffer_bytes", "counts.link_bytes",
]


def test_main_job(call, tmp_path):
    code, out, _ = call(*RUN, "--out", tmp_path / "o")
    assert code == 0 and "images/s" in out and "features.3" in out
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == [
        "energy.png", "energy.svg", "result.json", "timeline.png", "timeline.svg", "utilization.png", "utilization.svg"]
    code, out, _ = call(*RUN, "--json")
    assert code == 0 and out == (tmp_path / "o" / "result.json").read_text()
    data = json.loads(out)
    for path in REQUIRED:
        value = data
        for key in path.split("."):
            assert key in value, path
            value = value[key]
    assert {"name", "crossbars", "copies", "windows"} <= set(data["mapping"]["layers"][0])


def test_same_bytes_whatever_the_process(tmp_path):
    """Hash seed, folder, locale and number of threads change nothing."""
    found = set()
    for seed, threads, folder in (("0", "1", "/"), ("1", "2", str(tmp_path)), ("2", "4", str(Path.cwd()))):
        done = subprocess.run(
            [sys.executable, "-m", "xbarch", *map(str, RUN), "--json"], cwd=folder, capture_output=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads, "LC_ALL": "C", "PYTHONUTF8": "0",
                 "PYTHONPATH": str(Path(bundled.__file__).parents[1])})
        found.add(done.stdout)
    assert len(found) == 1


@pytest.mark.parametrize("words, heavy", [
    (RUN, {"torch", "sklearn", "matplotlib", "pandas"}),
    (("--help",), {"torch", "sklearn", "matplotlib", "pandas", "numpy", "simpy"}),
    (("validate", bundled.folder("architectures") / "isaac_like.yaml"),
     {"torch", "sklearn", "matplotlib", "pandas", "simpy"}),
    (("list",), {"torch", "sklearn", "matplotlib", "pandas", "simpy"}),
])
def test_nothing_heavy_is_imported(words, heavy):
    code = f"import sys; sys.argv = ['xbarch', *{[str(w) for w in words]!r}]\nfrom xbarch import cli\n" \
           "try:\n    cli.main()\nexcept SystemExit:\n    pass\n" \
           "print('\\nLOADED', *sorted({m.split('.')[0] for m in sys.modules}))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = set(out.rpartition("LOADED")[2].split())
    assert "xbarch" in loaded and not loaded & heavy


def test_list_show_schema_validate(call):
    code, out, _ = call("list", "--json")
    entries = json.loads(out)
    assert code == 0 and set(entries) == {"architectures", "workloads", "datapaths"}
    assert {"resnet18_pruned", "resnet18_dense", "vgg7_pruned"} <= {e["name"] for e in entries["workloads"]}
    assert {"dense", "meng"} <= {e["name"] for e in entries["datapaths"]}
    for rows in entries.values():
        for entry in rows:
            assert entry["summary"] and entry["source"], entry
    code, out, _ = call("list")
    assert code == 0 and "isaac_like" in out
    code, out, _ = call("show", "isaac_like", "--json")
    assert code == 0 and json.loads(out)["nameplate"]["tile power (mW)"] == pytest.approx(330, rel=5e-3)
    assert call("show", "isaac_like")[0] == 0
    code, out, _ = call("schema")
    assert code == 0 and "crossbar" in json.loads(out)["properties"]
    code, out, _ = call("validate", bundled.folder("architectures") / "isaac_like.yaml")
    assert code == 0 and "valid" in out


def test_a_path_wins_over_a_bundled_name(call, tmp_path, monkeypatch):
    text = (bundled.folder("architectures") / "isaac_like.yaml").read_text()
    (tmp_path / "isaac_like.yaml").write_text(text.replace("name: isaac_like", "name: mine", 1))
    monkeypatch.chdir(tmp_path)
    code, out, _ = call(*RUN, "--json")
    assert code == 0 and json.loads(out)["architecture"]["name"] == "mine"


def test_compare(call, tmp_path):
    for policy in ("fit", "crossbars:4"):
        assert call(*RUN, "--policy", policy, "--out", tmp_path / policy)[0] == 0
    code, out, _ = call("compare", tmp_path / "fit", tmp_path / "crossbars:4" / "result.json", "--out",
                        tmp_path / "p.html")
    assert code == 0 and "gain" in out
    html = (tmp_path / "p.html").read_text()
    assert "<svg" not in html and "data:image/svg+xml;base64," in html and "http://" not in html.replace(
        "http://www.w3.org", "")
    code, out, _ = call("compare", tmp_path / "fit", tmp_path / "crossbars:4", "--json")
    figures = {f["field"]: f for f in json.loads(out)["figures"]}
    speed = figures["throughput.images_per_second"]
    assert speed["gains"][0] == pytest.approx(speed["values"][1] / speed["values"][0])
    code, _, err = call("compare", tmp_path / "fit")
    assert code == 2 and "two or more" in err


def test_verify(call):
    code, out, _ = call("verify", "-a", "isaac_like", "-w", "vgg7_pruned", "--json")
    rows = json.loads(out)
    assert code == 0 and rows and not any(r["mismatches"] or r["clips"] for r in rows)
    code, out, _ = call("verify", "-a", "isaac_like", "-w", "vgg7_pruned", "--set", "crossbar.adc_bits=3", "--json")
    assert code == 5 and any(r["mismatches"] for r in json.loads(out))


def write(place, name, text):
    (place / name).write_text(text)
    return place / name


BAD = [
    (("simulate", "-a", "isaac", "-w", "vgg7_pruned"), "isaac_like"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7"), "vgg7_pruned"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--policy", "most"), "policy"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--policy", "crossbars:0"), "policy"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--images", "0"), "images: found 0, allowed 1 to 10,000"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--chips", "99999999"), "chips: found 99999999"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--datapath", "mang"), "meng"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "-o", "group=4"), "group_ch"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "-o", "group_ch"), "name=value"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--set", "crossbar.rows=0"), "crossbar.rows"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--set", "crossbr.rows=9"), "crossbar"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--set", "hierarchy.tiles=1000000000000"),
     "hierarchy.tiles"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--set", "crossbar.read=50"), "with its unit"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--set", "crossbar.read=100 nm"), "100 nm"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--set", "precision.weight_bits=2"), "weight_bits"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--set", "hierarchy.tiles=1", "--set",
      "hierarchy.imas_per_tile=1"), "crossbars"),
    (("simulate", "-a", "isaac_like", "-w", "resnet18_dense", "--policy", "one_copy", "--set", "hierarchy.tiles=2"),
     "chips"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--plugin", "/no/such.py"), "no/such.py"),
    (("simulate", "-a", "/", "-w", "vgg7_pruned"), "/"),
    (("validate", "/no/such.yaml"), "no such file"),
    (("compare", "/no/a.json", "/no/b.json"), "/no/a.json: cannot be read"),
    (("compress", "vgg16_imagenet_dense16"), "synthetic recipe"),
    (("compress", "no_such_recipe"), "no_such_recipe"),
    (("verify", "-a", "isaac_like", "-w", "vgg16_imagenet_dense16"), "stores no activations"),
]


@pytest.mark.parametrize("words, says", BAD, ids=[" ".join(w[-2:])[:40] for w, _ in BAD])
def test_bad_input_is_one_sentence(call, words, says):
    code, out, err = call(*words)
    assert code == 2 and not out and says in err
    assert err.startswith("xbarch: ") and err.count("\n") == 1 and "Traceback" not in err


@pytest.mark.parametrize("text, says", [
    ("schema: xbarch.architecture/1\nnaem: x\n", "x.yaml:2: naem"),
    ("a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a]\nc: [*b, *b, *b]\n", "x.yaml:1"),
    ("schema: xbarch.architecture/1\nname: a\nname: b\n", "x.yaml:3"),
    ("", "x.yaml"), ("[" * 3000, "x.yaml"), ("name: !!python/object/apply:os.system [ls]\n", "x.yaml:1"),
])
def test_bad_architecture_file(call, tmp_path, text, says):
    code, out, err = call("validate", write(tmp_path, "x.yaml", text))
    assert code == 2 and not out and says in err and err.count("\n") == 1


def test_nothing_half_written(call, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = call(*RUN, "--out", tmp_path / "file" / "o")
    assert code == 2 and "cannot be written" in err
    code, _, err = call(*RUN, "--policy", "most", "--out", tmp_path / "o")
    assert code == 2 and sorted(p.name for p in tmp_path.iterdir()) == ["file"]
