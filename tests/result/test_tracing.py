"""The trace file: every visit of a token to a stage."""

import csv
import gzip

import pytest

import xbarch
from xbarch.errors import InputError
from xbarch.result.tracing import COLUMNS
from xbarch.run import execute


def rows(path):
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", newline="") as file:
        found = list(csv.reader(file))
    assert tuple(found[0]) == COLUMNS
    return found[1:]


@pytest.mark.quick(1)
@pytest.mark.parametrize("mode", ["pipelined", "layer_by_layer", "batch"])
def test_engines_write_the_same_visits(tmp_path, mode):
    """All of them, and the times in the trace of a run are those in the file."""
    found = []
    more = {"overrides": ["buffer.size=1 MB"]} if mode != "pipelined" else {}
    for engine, name in (("simpy", "a.csv"), ("fast", "b.csv.gz")):
        run = execute("isaac_like", "vgg7_pruned", images=3, mode=mode, engine=engine, trace=tmp_path / name, **more)
        found.append(rows(tmp_path / name))
        assert len(found[-1]) == run.trace.visits
    assert sorted(found[0]) == sorted(found[1])
    assert {int(row[4]) for row in found[0]} == {0, 1, 2}
    windows = {"image": 1} | {la.name: la.windows for la in run.workload.layers}
    busy = dict.fromkeys((server.name for server in run.graph.servers), 0)
    for layer, copy, stage, server, _, window, *times in found[0]:
        asked, granted, over, out = map(int, times)
        assert 0 <= asked <= granted <= min(over, out) and stage and layer and int(copy) >= 0
        assert 0 <= int(window) < windows[layer]
        if server:
            busy[server] += over - granted
    assert list(busy.values()) == run.trace.busy.tolist()


def test_the_same_bytes_again_and_nothing_half_written(tmp_path, call):
    files = [tmp_path / f"{n}.csv.gz" for n in range(2)]
    for file in files:
        code, out, err = call("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--images", 1, "--trace", file)
        assert code == 0 and f"written: {file}" in out, err
    assert files[0].read_bytes() == files[1].read_bytes()
    with pytest.raises(ZeroDivisionError):
        xbarch.simulate("isaac_like", "vgg7_pruned", images=30, engine="simpy", trace=tmp_path / "c.csv",
                        progress=lambda done, of: 1 // 0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.csv.gz", "1.csv.gz"]


@pytest.mark.parametrize(("given", "says"), [
    ({"trace": "a.txt"}, "trace: must be a file name that ends in .csv, .csv.gz, .perfetto-trace or "
                          ".perfetto-trace.gz, not 'a.txt'"),
    ({"trace": 3}, "trace: must be a path or None, not 3"),
    ({"trace": "/proc/nowhere/a.csv"}, "/proc/nowhere/a.csv: cannot be written"),
    ({"trace": "a.csv", "reload": True, "batch": 4}, "trace: --trace cannot be combined with --reload"),
])
def test_refusals(given, says):
    with pytest.raises(InputError) as error:
        xbarch.simulate("isaac_like", "vgg7_pruned", **given)
    assert says in str(error.value)


def test_a_trace_where_the_results_are_to_be_is_refused_before_the_run(tmp_path, call):
    for out in (tmp_path / "a.csv", tmp_path / "a.csv" / "more"):
        code, _, err = call("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--trace", tmp_path / "a.csv",
                            "--out", out)
        assert code == 2 and "trace: must be a file" in err and not list(tmp_path.iterdir())
    code, _, err = call("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--trace", "")
    assert code == 2 and "trace: must be a path, not ''" in err
