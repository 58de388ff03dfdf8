"""Other tools, played by small programs where their users would have them."""

import sys
from argparse import ArgumentTypeError
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import peers
from benchmarks.peers import PEERS, least, ran
from benchmarks.spent import Cost

MNSIM = """import sys
assert sys.argv[1:4] == ["-NN", "resnet18", "-DisAccu"] and sys.argv[4] == "-Weights", sys.argv
open("SimConfig.ini").close()
open(sys.argv[5]).close()
held = b"1" * 80_000_000
print("latency: 1 ms")
"""


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def tools(tmp_path):
    """A folder of each tool, as its authors lay it out."""
    put(tmp_path / "mnsim/main.py", MNSIM)
    put(tmp_path / "mnsim/SimConfig.ini", "")
    put(tmp_path / "mnsim/cifar10_resnet18_params.pth", "")
    inside = tmp_path / "neurosim/Inference_pytorch"
    put(inside / "NeuroSIM/main", '#!/bin/sh\ntest "$1" = ./NeuroSIM/NetWork_ResNet18.csv\n')
    put(inside / "layer_record_ResNet18/trace_command.sh", "./NeuroSIM/main ./NeuroSIM/NetWork_ResNet18.csv 8 8\n")
    put(tmp_path / "pimsim/build/ChipTest", '#!/bin/sh\ntest -f "$1" && test -f "$2"\n')
    put(tmp_path / "pimsim/example/resnet18.gz", "")
    put(tmp_path / "pimsim/example/config/latency_config.json", "{}")
    return tmp_path


@pytest.mark.parametrize("key", list(PEERS))
def test_a_tool_is_run_in_its_folder(tools, key):
    found = ran(PEERS[key], tools / key)
    assert "why" not in found, found
    assert found["tool"] == PEERS[key].name and found["cpu_s"] > 0 and found["wall_s"] > 0


def test_its_memory_is_measured(tools):
    assert 80 < ran(PEERS["mnsim"], tools / "mnsim")["peak_mb"] < 200


@pytest.mark.parametrize("key", list(PEERS))
def test_what_a_folder_lacks_is_said(tmp_path, key):
    assert ran(PEERS[key], tmp_path)["why"] == f"lacks {', '.join(PEERS[key].needs)}"


def test_a_tool_that_fails_is_reported_with_its_exit_code(tools):
    put(tools / "pimsim/build/ChipTest", "#!/bin/sh\necho one\necho core dumped\nexit 7\n")
    found = ran(PEERS["pimsim"], tools / "pimsim")
    assert found["why"] == "exit code 7" and found["said"] == "core dumped"


def test_a_tool_that_does_not_end_is_ended(tools):
    put(tools / "pimsim/build/ChipTest", "#!/bin/sh\nsleep 60\n")
    assert ran(PEERS["pimsim"], tools / "pimsim", limit=0.3)["why"] == "took longer than 0.3 s"


@pytest.mark.parametrize(("took", "runs", "cpu"), [((2.0, 1.0, 3.0), 3, 1.0), ((61.0, 1.0, 1.0), 1, 61.0)])
def test_what_is_short_is_run_again_and_the_least_counts(tools, monkeypatch, took, runs, cpu):
    costs = iter([Cost(0, seconds, seconds, 1.0, "") for seconds in took])
    monkeypatch.setattr(peers, "command", lambda words, cwd, limit: next(costs))
    assert least(PEERS["mnsim"], tools / "mnsim", 2)["cpu_s"] == cpu
    assert len(list(costs)) == len(took) - runs


def test_a_later_run_that_fails_is_not_hidden(tools, monkeypatch):
    codes = iter([0, 3, 0])
    monkeypatch.setattr(peers, "command", lambda words, cwd, limit: Cost(next(codes), 1.0, 1.0, 1.0, ""))
    assert least(PEERS["mnsim"], tools / "mnsim", 2)["why"] == "exit code 3"


def test_a_file_is_run_as_it_is(tmp_path):
    script = put(tmp_path / "own.sh", "#!/bin/sh\necho $# arguments in $PWD > said\n")
    found = ran(PEERS["neurosim"], script)
    assert found["network"] == "whatever `own.sh` runs" and "why" not in found
    assert (tmp_path / "said").read_text() == f"0 arguments in {tmp_path}\n"


def test_only_folders_and_executable_files_are_taken(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("")
    assert peers.path(str(tmp_path)) == tmp_path and peers.path(sys.executable) == Path(sys.executable)
    for wrong in (plain, tmp_path / "nothing"):
        with pytest.raises(ArgumentTypeError, match=f"must be a tool's folder or an executable file, not '{wrong}'"):
            peers.path(str(wrong))


def test_the_section_says_what_was_not_run_and_what_failed(tools, monkeypatch):
    monkeypatch.setattr(peers, "xbarch", lambda *words: Cost(0, 0.5, 0.6, 150.0, ""))
    put(tools / "pimsim/build/ChipTest", "#!/bin/sh\nexit 4\n")
    asked = SimpleNamespace(repeat=1, note="as it comes", mnsim=None, neurosim=tools / "neurosim",
                            pimsim=tools / "pimsim")
    found = peers.measure(asked, lambda text: None)
    found["rows"][-2].update(cpu_s=2.0, wall_s=3.0, peak_mb=540.0)
    text = peers.lines(found)
    assert "Here: as it comes." in text and "Here:" not in "".join(peers.lines({**found, "note": ""}))
    assert "| MNSIM 2.0 | ResNet-18, 32×32 | not run here |  |  |  |" in text
    assert "| NeuroSim V1.4 | ResNet-18, 224×224 | 2 | 3 | 540 | 4.00 |" in text
    assert "| pimsim-nn | ResNet-18, 224×224, compiled before | exit code 4 |  |  |  |" in text
    assert "| xbarch | ResNet-18, 32×32, `resnet18_dense` | 0.5 | 0.6 | 150 | 1.00 |" in text
