"""The command line as a user meets it: output, exit codes, one sentence for every wrong input."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest

from xbarch.support import bundled, files

RUN = ("simulate", "--arch", "isaac_like.yaml", "--workload", "vgg7_pruned", "--images", 2)
KINDS = ["pdf", "png", "svg"]
REQUIRED = [
    "schema", "provenance", "workload.name", "workload.trained_on", "workload.synthetic", "workload.accuracy",
    "policy", "mapping.crossbars", "mapping.tiles", "mapping.layers", "throughput.images_per_second",
    "latency.first_image_ps", "latency.pipeline_interval_ps", "energy.per_image_aj", "energy.scopes_aj.compute",
    "energy.scopes_aj.chip", "energy.scopes_aj.whole", "energy.by_component_aj", "energy.by_layer_aj",
    "area.total_mm2", "area.used_mm2", "area.by_component_mm2", "power.average_w", "power.peak_w", "peak.tops",
    "peak.tops_per_w", "peak.tops_per_mm2", "utilization.cells", "utilization.crossbar_time", "utilization.adc_time",
    "counts.macs", "counts.conversions", "counts.buffer_bytes", "counts.link_bytes",
]


def test_main_job(call, tmp_path):
    code, out, _ = call(*RUN, "--out", tmp_path / "o")
    screen = [line for line in out.splitlines() if not line.startswith("written: ")]
    assert code == 0 and "images/s" in out and len(screen) <= 24 and "features.3 " not in out
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == [
        "chip.svg", "energy.svg", "layers.svg", "report.html", "result.json", "timeline.svg"]
    code, out, _ = call(*RUN, "--full", "--out", tmp_path / "more", "--format", "png,svg", "--format", "pdf")
    assert code == 0 and "Energy per image by component" in out and "features.3 " in out
    assert sorted(p.name for p in (tmp_path / "more").iterdir()) == [
        f"{name}.{kind}" for name, kinds in (
            ("chip", KINDS), ("energy", KINDS), ("layers", KINDS), ("report", ["html"]), ("result", ["json"]),
                            ("timeline", KINDS)) for kind in kinds]
    code, out, _ = call(*RUN, "--json")
    assert code == 0 and out == (tmp_path / "o" / "result.json").read_text()
    data = json.loads(out)
    for path in REQUIRED:
        value = data
        for key in path.split("."):
            assert key in value, path
            value = value[key]
    assert {"name", "crossbars", "copies", "windows"} <= set(data["mapping"]["layers"][0])


@pytest.mark.full
def test_same_bytes_whatever_the_process(tmp_path):
    """Hash seed, folder, locale and number of threads change nothing."""
    found = set()
    for seed, threads, folder in (("0", "1", "/"), ("1", "2", str(tmp_path)), ("2", "4", str(Path.cwd()))):
        done = subprocess.run(
            [sys.executable, "-m", "xbarch", *map(str, RUN), "--json"], cwd=folder, capture_output=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads, "LC_ALL": "C", "PYTHONUTF8": "0",
                 "PYTHONPATH": str(Path(bundled.__file__).parents[2])})
        found.add(done.stdout)
    assert len(found) == 1


@pytest.mark.quick(2)
@pytest.mark.parametrize("words, heavy", [
    (RUN, {"torch", "sklearn", "matplotlib", "pandas"}),
    (("--help",), {"torch", "sklearn", "matplotlib", "pandas", "numpy", "simpy"}),
    (("validate", bundled.folder("architectures") / "isaac_like.yaml"),
     {"torch", "sklearn", "matplotlib", "pandas", "simpy"}),
    (("validate", "digit_pairs"), {"torch", "sklearn", "matplotlib", "pandas", "simpy"}),
    (("list",), {"torch", "sklearn", "matplotlib", "pandas", "simpy"}),
])
def test_nothing_heavy_is_imported(words, heavy):
    code = f"import sys; sys.argv = ['xbarch', *{[str(w) for w in words]!r}]\nfrom xbarch.cli import app as cli\n" \
           "try:\n    cli.main()\nexcept SystemExit:\n    pass\n" \
           "print('\\nLOADED', *sorted({m.split('.')[0] for m in sys.modules}))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = set(out.rpartition("LOADED")[2].split())
    assert "xbarch" in loaded and not loaded & heavy


def test_list_show_schema_validate(call):
    code, out, _ = call("list", "--json")
    entries = json.loads(out)
    assert code == 0 and set(entries) == {
        "architectures", "workloads", "studies", "datapaths", "sensing", "scaling", "topologies",
        "processes", "effects", "noise"}
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


def test_the_catalogue_fits_two_screens_and_is_filtered(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    entries = json.loads(call("list", "--json")[1])
    code, out, _ = call("list")
    assert code == 0 and len(out.splitlines()) <= 48 and max(map(len, out.splitlines())) <= 80
    shown = set(out.replace(",", " ").split())
    assert {entry["name"] for rows in entries.values() for entry in rows} <= shown
    code, out, _ = call("list", "--filter", "ResNet-18 DENSE", "--json")
    found = {kind: [entry["name"] for entry in rows] for kind, rows in json.loads(out).items() if rows}
    assert found == {kind: names for kind, rows in entries.items() if (names := [
        entry["name"] for entry in rows
        if all(word in f"{entry['name']} {entry['summary']}".lower() for word in ("resnet-18", "dense"))])}
    assert {"resnet18_dense", "resnet18_dense8"} <= set(found["workloads"]) and "architectures" not in found
    code, out, _ = call("list", "workloads", "-f", "huai")
    assert code == 0 and "resnet18_huai" in out and "vgg7_pruned" not in out and "Unrelated" not in out
    assert call("list", "-f", "no such word") == (0, "", "")


@pytest.mark.parametrize("width", [80, 120])
def test_a_bar_shows_what_differs(width):
    """Of a point's many fields the last ones, on one line, with the count."""
    import pty

    code = ("import time; from xbarch.cli.terminal import Bar\n"
            "with Bar('sweep', False) as show:\n"
            "    for done in (1, 2):\n"
            "        show(done, 1_008, ', '.join(f'crossbar.field{n}=256' for n in range(9)) + f', bits={done}')\n"
            "        time.sleep(0.3)\n")
    terminal, end = pty.openpty()
    run = subprocess.Popen([sys.executable, "-c", code], stdin=end, stdout=end, stderr=end,
                           env={**os.environ, "COLUMNS": str(width), "TERM": "xterm"})
    os.close(end)
    said = b""
    with suppress(OSError):  # the other end is closed
        while part := os.read(terminal, 4096):
            said += part
    os.close(terminal)
    assert run.wait() == 0
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in re.split(r"[\r\n]+", said.decode())]
    shown = [line for line in lines if "bits=2" in line]
    assert shown and all("2/1008" in line and "…" in line and len(line.rstrip()) <= width for line in shown)


def test_colours_follow_the_terminal():
    """NO_COLOR: a terminal gets no colour, and without a terminal nothing but text is written."""
    said = "from xbarch.render import tables; from rich.text import Text; " \
           "tables.echo(None, Text('a', style='red'), tables.table('t', ['x'], [['1']]))"
    for given, escapes in (({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False), ({}, False)):
        done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True,
                              env={**{k: v for k, v in os.environ.items() if "COLOR" not in k}, **given})
        assert ("\x1b[31m" in done.stdout) == escapes, given


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
    assert code == 0 and "gain" in out and f"written: {tmp_path}/p.html" in out
    code, out, _ = call("compare", tmp_path / "fit", tmp_path / "crossbars:4", "--out", tmp_path / "folder")
    assert f"written: {tmp_path}/folder/comparison.html" in out
    assert (tmp_path / "folder" / "comparison.html").read_bytes() == (tmp_path / "p.html").read_bytes()
    html = (tmp_path / "p.html").read_text()
    assert "data:image" not in html and 'id="charts"' in html  # drawn from data, not pictures of it
    assert "Resources differ: crossbars granted" in " ".join(out.split()) and "Resources differ" in html
    code, out, _ = call("compare", tmp_path / "fit", tmp_path / "crossbars:4", "--json")
    figures = {f["field"]: f for f in json.loads(out)["figures"]}
    speed = figures["throughput.images_per_second"]
    assert speed["gains"][0] == pytest.approx(speed["values"][1] / speed["values"][0])
    code, _, err = call("compare", tmp_path / "fit")
    assert code == 2 and "two or more" in err


@pytest.mark.full
def test_the_scope_is_chosen_once_for_screen_tables_and_pictures(call, tmp_path):
    for scope, link in (("compute", False), ("chip", False), ("whole", True)):
        code, out, _ = call(*RUN, "--full", "--scope", scope, "--out", tmp_path / scope)
        picture = (tmp_path / scope / "energy.svg").read_text()
        assert code == 0 and f"by component (scope {scope})" in " ".join(out.split()) and f"scope {scope}" in picture
        assert ("hypertransport " in out.partition("Energy per image by component")[2].partition("Waiting")[0]) == link
        assert ("hypertransport" in picture) == link
    same = {(tmp_path / scope / "result.json").read_bytes() for scope in ("compute", "chip", "whole")}
    assert len(same) == 1  # a result has all of them
    code, out, _ = call("compare", tmp_path / "chip", tmp_path / "whole", "--scope", "whole")
    assert code == 0 and "whole)" in out.split() and "chip)" not in out.split()
    assert "Resources differ" not in out
    for command in (("simulate", *RUN[1:]), ("compare", tmp_path / "chip", tmp_path / "whole"), ("matrix",),
                    ("sweep", "resnet18_sweep", "--out", tmp_path / "s"), ("report", "field", "--out", tmp_path / "f")):
        code, out, err = call(*command, "--scope", "chips")
        assert (code, out) == (2, "") and "scope: unknown scope 'chips'" in err and err.count("\n") == 1, command


def test_verify(call):
    code, out, _ = call("verify", "-a", "isaac_like", "-w", "vgg7_pruned", "--json")
    rows = json.loads(out)
    assert code == 0 and rows and not any(r["mismatches"] or r["clips"] for r in rows)
    code, out, _ = call("verify", "-a", "isaac_like", "-w", "vgg7_pruned", "--set", "crossbar.adc_bits=3", "--json")
    assert code == 5 and any(r["mismatches"] for r in json.loads(out))
    code, out, _ = call("verify", "-a", "isaac_like", "-w", "vgg7_pruned", "--level-bits", "6", "--json")
    assert code == 0 and rows != json.loads(out) and not any(r["mismatches"] for r in json.loads(out))


def test_verify_says_that_noise_is_left_out_and_reads_the_architecture_once(call, tmp_path, monkeypatch):
    file, seen, read = tmp_path / "mine.yaml", [], files.read
    file.write_text("extends: isaac_like\nnoise: {preset: cells_5pct}\n")
    monkeypatch.setattr(files, "read", lambda path, most: seen.append(Path(path)) or read(path, most))
    code, out, err = call("verify", "-a", str(file), "-w", "vgg7_pruned")
    assert code == 0 and "noise on: exactness is of the ideal machine" in out + err and seen.count(file) == 1
    code, out, err = call("verify", "-a", "isaac_like", "-w", "vgg7_pruned")
    assert code == 0 and "noise on" not in out + err


def write(place, name, text):
    (place / name).write_text(text)
    return place / name


BAD = [
    (("simulate", "-a", "isaac", "-w", "vgg7_pruned"), "isaac_like"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7"), "vgg7_pruned"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--policy", "most"), "policy"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--policy", "crossbars:0"), "policy"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--images", "0"),
     "images: must be a whole number from 1 to 10,000, not 0"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--chips", "99999999"),
     "chips: must be a whole number from 1 to 10,000, not 99999999"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--datapath", "mang"), "meng"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "-o", "group=4"), "group_ch"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "-o", "group_ch"), "name=value"),
    (("verify", "-a", "isaac_like", "-w", "vgg7_pruned", "-o", "folder"), "the output folder is given with --out"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "-o", "crossbar.rows=9"), "are given with --set"),
    (("report", "field", "-o", "folder"), "report field: no such option: -o; the output folder is given with --out"),
    (("compare", "a", "b", "--images", "2"), "images: saved results are compared as they are"),
    (("compare", "a", "b", "-o", "sign=offset"), "option: saved results are compared as they are"),
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
    (("compress", "vgg16_imagenet_dense16"), "vgg16_imagenet_dense16.yaml:2: kind: must be trained, not synthetic"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--datapath", ""), "datapath: unknown data path ''"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--out", ""), "out: must be a path, not ''"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--format", "png"), "--format needs --out"),
    (("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--format", "jpg", "--out", "o"), "unknown format 'jpg'"),
    (("compare", "methods", "--images", "2"), "images: a study file says this itself"),
    (("compare", "-a", "isaac_like", "--workloads", "vgg7_pruned"), "no such option: --workloads"),
    (("compare", "a", "b", "--out", ""), "out: must be a path, not ''"),
    (("compress", "vgg7_pruned", "--out", ""), "out: must be a path, not ''"),
    (("simulate", "-a", "isaac_like", "-w", ""), "no such workload"),
    (("simulate", "-a", "", "-w", "vgg7_pruned"), "no such file"),
    (("compress", "no_such_recipe"), "no_such_recipe"),
    (("verify", "-a", "isaac_like", "-w", "vgg16_imagenet_dense16"), "stores no activations"),
]


@pytest.mark.quick(4)
@pytest.mark.parametrize("words, says", BAD, ids=[" ".join(w[-2:])[:40] for w, _ in BAD])
def test_bad_input_is_one_sentence(call, words, says):
    code, out, err = call(*words)
    assert code == 2 and not out and says in err
    assert err.startswith("xbarch: ") and err.count("\n") == 1 and "Traceback" not in err


@pytest.mark.quick(2)
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
    code, _, err = call(*RUN, "--out", "/proc/o")
    assert code == 2 and "/proc/o/result.json: cannot be written" in err


def test_results_and_pictures_together(call, tmp_path, monkeypatch):
    """A disk that fills up at the last file leaves what was there before."""
    out = tmp_path / "o"
    assert call(*RUN, "--out", out)[0] == 0
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    whole = Path.write_bytes

    def full(path, data):
        if "result.json" in path.name:
            whole(path, data[:100])
            raise OSError(28, "No space left on device")
        return whole(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    code, _, err = call(*RUN, "--policy", "crossbars:4", "--out", out)
    assert code == 2 and "result.json: cannot be written: No space left on device" in err
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_pages_replace_files_alone(call, tmp_path):
    assert call(*RUN, "--out", tmp_path / "o")[0] == 0
    os.mkfifo(tmp_path / "pipe.html")
    (tmp_path / "link.html").symlink_to("pipe.html")
    for name in ("pipe.html", "link.html"):
        code, _, err = call("compare", tmp_path / "o", tmp_path / "o", "--out", tmp_path / name)
        assert code == 2 and "cannot be written: it is a folder, device or pipe" in err and err.count("\n") == 1
    assert (tmp_path / "pipe.html").is_fifo() and (tmp_path / "link.html").is_symlink()


def test_a_folder_of_results_hides_no_bundled_name(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "isaac_like").mkdir()
    again = ("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--images", 1, "--out", "vgg7_pruned")
    assert call(*again)[0] == 0
    assert call(*again)[0] == 0
    code, _, err = call("simulate", "-a", "isaac_like", "-w", "./vgg7_pruned")
    assert code == 2 and "has no manifest.json" in err


@pytest.mark.parametrize("change, says", [
    ({"datapath": "mang"}, "manifest.json: datapath: unknown data path 'mang'; choose "),
    ({"options": {"group": 4}}, "manifest.json: options.group: "),
])
def test_a_stored_data_path_that_is_none(call, tmp_path, change, says):
    place = tmp_path / "w"
    shutil.copytree(bundled.folder("workloads") / "vgg7_pruned", place)
    stored = json.loads((place / "manifest.json").read_text())
    (place / "manifest.json").write_text(json.dumps({**stored, **change}))
    for command in ("simulate", "verify"):
        code, out, err = call(command, "-a", "isaac_like", "-w", place)
        assert code == 2 and not out and f"{place}/{says}" in err
    code, _, err = call("simulate", "-a", "isaac_like", "-w", place, "--images", 1, "--datapath", "dense")
    assert code == 0


@pytest.mark.parametrize("name", ["net.py", "weights.pt", "net.onnx"])
def test_a_model_is_no_workload(call, tmp_path, name):
    code, out, err = call("simulate", "-a", "isaac_like", "-w", write(tmp_path, name, "import torch\n"))
    assert code == 2 and not out and err.count("\n") == 1
    assert "xbarch compress" in err and "xbarch import" in err


def test_control_characters_of_a_path_are_not_printed(call, tmp_path):
    folder = tmp_path / "a\u202eb\x1b[31m"
    code, out, _ = call(*RUN, "--out", folder)
    assert code == 0 and (folder / "result.json").is_file()
    assert "written: " in out and "\u202e" not in out and "\x1b" not in out


def test_progress_of_verify(call):
    from xbarch import run

    told = []
    rows = run.verify("isaac_like", "vgg7_pruned", progress=lambda *what: told.append(what))
    assert told == [(number, len(rows), row["layer"]) for number, row in enumerate(rows)]


# -- streams and signals, in processes of their own ----------------------------------------------------------------

def _interruptible():
    """Tests that run in the background of a shell ignore interrupts, and what they start would too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def shell(words, folder="/", **env):
    """A command line of bash with `xbarch` for the command: (exit code, standard output, standard error)."""
    root = Path(bundled.__file__).parents[2]
    line = words.replace("xbarch", f"{sys.executable} -m xbarch", 1)
    done = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, env={
        **os.environ, "PYTHONPATH": f"{folder}:{root}", **env}, preexec_fn=_interruptible)
    return done.returncode, done.stdout, done.stderr


FULL = "xbarch: standard output: cannot be read or written (No space left on device)\n"


@pytest.mark.quick(1)
@pytest.mark.parametrize("words, code, says", [
    ("xbarch schema > /dev/full", 2, FULL), ("xbarch list > /dev/full", 2, FULL),
    ("xbarch --version > /dev/full", 2, FULL), ("xbarch schema > /dev/full 2> /dev/full", 2, ""),
    ("xbarch validate /no.yaml 2> /dev/full", 2, ""), ("xbarch validate /no.yaml 2>&-", 2, ""),
    ("xbarch simulat 2>&-", 2, ""), ("xbarch list >&-", 0, ""), ("xbarch list --json <&- >&- 2>&-", 0, ""),
])
def test_streams_that_take_nothing(words, code, says):
    assert shell(words) == (code, "", says)


def test_output_is_whole_without_standard_error():
    assert shell("xbarch schema 2>&-") == shell("xbarch schema")


@pytest.mark.parametrize("module, words", [
    ("typer", "xbarch list"), ("simpy", "xbarch simulate -a isaac_like -w vgg7_pruned --engine simpy")])
def test_interrupted_while_modules_load(tmp_path, module, words):
    """130 and one line, also where the interrupt strikes inside exec(), which dataclasses use."""
    (tmp_path / f"{module}.py").write_text(
        "import os, signal\nexec('os.kill(os.getpid(), signal.SIGINT)\\nfor _ in range(10**6): pass')\n")
    assert shell(words, tmp_path) == (130, "", "xbarch: interrupted\n")


@pytest.mark.full
def test_asked_to_end_in_the_middle_of_a_trace(tmp_path):
    """By SIGTERM, as a cluster does: 143, one line, no trace and no temporary file of one."""
    words = [sys.executable, "-m", "xbarch", "simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--images", "2000",
             "--engine", "simpy", "--trace", "trace.csv"]
    run = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={
        **os.environ, "PYTHONPATH": str(Path(bundled.__file__).parents[2])})
    for _ in range(600):
        if any(file.stat().st_size for file in tmp_path.iterdir()):
            break
        time.sleep(0.1)
    assert [file.suffix for file in tmp_path.iterdir()] and run.poll() is None
    run.terminate()
    out, error = run.communicate(timeout=60)
    assert (run.returncode, out) == (143, "") and error.endswith("xbarch: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_the_entry_point_is_guarded():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"xbarch": "xbarch.__main__:main"}


# -- recipes of training -------------------------------------------------------------------------------------------

RECIPE = ("# mine\nkind: trained\nmodel: resnet20\ndata: {name: digits}\n"
          "baseline: {epochs: 1, rate: 0.1}\n")
OWN = "model: m.py:make"


@pytest.mark.parametrize("old, new, says", [
    ("model: resnet20", "model: resnet", "r.yaml:3: model: must be resnet18, resnet20"),
    ("model: resnet20", "model: n.py:make", "r.yaml:3: model: no such file: n.py"),
    ("model: resnet20", "model: m.py:mak", "r.yaml:3: model: m.py defines no 'mak'; it defines os, make; did"),
    ("model: resnet20", "model: bad.py:make", "bad.py:2: is not Python: "),
    ("model: resnet20", "model: no_such.module:make", "r.yaml:3: model: no module named 'no_such.module'"),
    ("model: resnet20", "model: torch.nn.modles:make", "r.yaml:3: model: no module named 'torch.nn.modles'"),
    ("model: resnet20", "model: .:make", "r.yaml:3: model: no module named '.'"),
    ("model: resnet20", f"{OWN}\nwidth: 8", "r.yaml:4: width: is for reference models"),
    ("model: resnet20", f"{OWN}\ncheckpoint: no.pt", "r.yaml:4: checkpoint: no such file: no.pt"),
    ("model: resnet20", f"{OWN}\ncheckpoint: m.py", "m.py: is not a checkpoint or is cut off"),
    ("name: digits", "name: folder, path: no", "r.yaml:4: data.path: no such folder: no"),
    ("name: digits", "name: folder, path: images", "r.yaml:4: data.path: must hold train/CLASS/*"),
    ("name: digits", "name: cifar10, path: images", "r.yaml:4: data.path: must hold CIFAR-10's python or binary files"),
    ("kind: trained", "kind: trained\npruning: {method: mang, algorithm: {name: cut}, density: 0.5, cut_after: 0, "
     "training: {epochs: 1, rate: 0.1}}", "r.yaml:3: pruning.method: unknown data path 'mang'"),
    ("kind: trained", "kind: trained\npruning: {method: meng, options: {group: 4}, algorithm: {name: cut}, "
     "density: 0.5, cut_after: 0, training: {epochs: 1, rate: 0.1}}", "r.yaml:3: pruning.options.group: "),
])
def test_a_wrong_recipe_is_refused_before_torch_is_loaded(call, tmp_path, monkeypatch, old, new, says):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "xbarch.compress.training.run", None)  # importing it fails
    (tmp_path / "m.py").write_text("import os\ndef make():\n    helper = 1\n")
    (tmp_path / "bad.py").write_text("def make():\n    return (\n")
    (tmp_path / "images" / "train" / "a").mkdir(parents=True)
    (tmp_path / "r.yaml").write_text(RECIPE.replace(old, new))
    before = sorted(tmp_path.rglob("*"))
    code, out, err = call("compress", "r.yaml")
    assert code == 2 and not out and err.startswith(f"xbarch: {says}") and err.count("\n") == 1, err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("variable, words, says", [
    ("", ("r.yaml", "--out", "/proc/o"), "/proc/o/tensors.safetensors: cannot be written"),
    ("", ("r.yaml", "--out", "taken"), "taken/manifest.json: cannot be written: it is a folder"),
    ("/proc/cache", ("r.yaml",), "/proc/cache/train"),
    ("", ("my recipe.yaml",), "my recipe.yaml: the name of a workload must be"),
])
def test_places_of_training_are_asked_for_first(call, tmp_path, monkeypatch, variable, words, says):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XBARCH_CACHE", variable or str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "xbarch.compress.training.run", None)
    (tmp_path / "taken" / "manifest.json").mkdir(parents=True)
    for name in ("r.yaml", "my recipe.yaml"):
        (tmp_path / name).write_text(RECIPE)
    code, out, err = call("compress", *words)
    assert code == 2 and not out and err.startswith(f"xbarch: {says}") and err.count("\n") == 1, err


@pytest.mark.full
@pytest.mark.train
@pytest.mark.parametrize("body, says", [
    ("    raise ValueError('no\\nway')\n", "r.yaml:3: model: m.py:make failed in line 3 with ValueError: no way"),
    ("    return 3\n", "r.yaml:3: model: m.py:make must return a torch.nn.Module, not int"),
    ("    return Odd()\n", "r.yaml:3: model: cannot be exported for images of (3, 32, 32): "),
])
def test_a_model_of_ones_own_that_fails(call, tmp_path, monkeypatch, body, says):
    """One line on standard error, whatever torch prints of what it could not export."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XBARCH_CACHE", str(tmp_path / "cache"))
    odd = ("from torch import nn\nclass Odd(nn.Linear):\n    def __init__(self):\n        super().__init__(32, 10)\n"
           "    def forward(self, x):\n        y = super().forward(x)\n        return y if y.sum() > 0 else -y\n")
    (tmp_path / "odd.py").write_text(odd)
    (tmp_path / "m.py").write_text(f"import sys; sys.path.insert(0, '.'); from odd import Odd\ndef make():\n{body}")
    (tmp_path / "r.yaml").write_text(RECIPE.replace("model: resnet20", OWN))
    code, out, err = call("compress", "r.yaml")
    assert code == 2 and not out and err.startswith(f"xbarch: {says}") and err.count("\n") == 1, err
