"""The command that runs a request again is read as that request."""

import shlex
import subprocess

import pytest

from xbarch import run
from xbarch.errors import XbarchError
from xbarch.request import Request
from xbarch.studies.runs.commands import command

REQUESTS = [
    Request(arch="isaac_like", workload="vgg7_pruned"),
    Request(arch="isaac_like", workload="vgg7_pruned", datapath="meng", policy="crossbars:4", images=3, chips=2,
            options={"group_ch": 8, "diagonal": True, "sign": "offset"},
            overrides=("crossbar.rows=64", "network.options.width=3")),
    Request(arch="a b.yaml", workload="it's; rm -rf $HOME", reload=True, batch=4, bits=8, accuracy=16, draws=2,
            mode="batch", placement="snake", periphery="balanced", replication="stripes"),
    Request(arch="isaac_like", workload="w", options={"text": "8", "list": [1, "2"], "none": None}),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=range(len(REQUESTS)))
def test_the_command_line_reads_what_is_written(request_, call, monkeypatch):
    asked = []

    def simulate(given, **_):
        asked.append(given)
        raise XbarchError("enough")

    monkeypatch.setattr(run, "simulate", simulate)
    said = command(request_)
    words = subprocess.run(["sh", "-c", f"printf '%s\\n' {said}"], capture_output=True, text=True, check=True).stdout
    assert words.splitlines() == shlex.split(said)
    call(*shlex.split(said)[1:])
    assert asked == [request_]
