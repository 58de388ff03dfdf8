"""Clusters on this machine: a Dask scheduler with workers of its own, and submitit's jobs. Every answer as of one
process, whatever dies."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from urllib.request import urlopen

import pytest

import xbarch
from xbarch.errors import InputError
from xbarch.specs.sweep import Sweep
from xbarch.studies.sweep import sweep
from xbarch.support.executors.crew import Asked
from xbarch.support.executors.named import opener

AXES = {"hierarchy.tiles": [2, 168], "network.queue": list(range(64, 64 + 8 * 15, 8))}
SMALL = Sweep.model_validate({"kind": "sweep", "architectures": ["isaac_like"], "workloads": ["vgg7_pruned"],
                              "images": 1, "policies": ["one_copy"], "axes": AXES})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The table of one process."""
    folder = tmp_path_factory.mktemp("whole")
    sweep(SMALL, folder, processes=1)
    return (folder / "sweep.csv").read_bytes()


@contextmanager
def running(*words):
    """A command of Dask as a process of its own, with its workers' processes."""
    process = subprocess.Popen([sys.executable, "-m", "distributed.cli." + words[0], *map(str, words[1:])],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def scheduler(file, port=0, dashboard=None):
    shown = ["--no-dashboard"] if dashboard is None else ["--dashboard-address", f"127.0.0.1:{dashboard}"]
    return running("dask_scheduler", "--scheduler-file", file, "--port", port, *shown, "--host", "127.0.0.1")


def worker(file):
    return running("dask_worker", "--scheduler-file", file, "--nthreads", 1, "--no-dashboard", "--no-nanny")


def wait(condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.mark.full
def test_dask_with_two_workers_killed_and_the_scheduler_restarted(tmp_path, whole):
    """Nothing is lost, nothing is run twice into the store, and the table is that of one process."""
    file, seen, port = tmp_path / "scheduler.json", [], 18786 + os.getpid() % 1000
    with ExitStack() as first, ExitStack() as second:
        head = first.enter_context(scheduler(file, port))
        wait(file.exists)
        team = [first.enter_context(worker(file)) for _ in range(4)]

        def progress(done, total, text):
            seen.append(done)
            if done >= 4 and team[0].poll() is None:
                for one in team[:2]:
                    os.killpg(one.pid, signal.SIGKILL)
                    one.wait()
            if done >= 12 and head.poll() is None:
                os.killpg(head.pid, signal.SIGKILL)
                head.wait()
                file.unlink()
                second.enter_context(scheduler(file, port))
                wait(file.exists)
                for _ in range(2):
                    second.enter_context(worker(file))

        found = sweep(SMALL, tmp_path / "out", executor="dask", scheduler=f"tcp://127.0.0.1:{port}", progress=progress)
        assert head.poll() is not None and team[0].poll() is not None
    assert seen == sorted(seen) and seen[-1] == len(found.rows) == 30
    assert len(set(seen)) == len(seen)  # no point counts twice
    assert (tmp_path / "out/sweep.csv").read_bytes() == whole


@pytest.mark.full
def test_the_dashboard_shows_the_tasks(tmp_path):
    """What Dask's page and its JSON say while a sweep runs: the worker, its tasks, and those that are done."""
    file, port, seen = tmp_path / "scheduler.json", 28786 + os.getpid() % 1000, []

    def page(path):
        with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=20) as answer:
            return answer.read().decode()

    def progress(done, total, text):
        if 2 <= done < total:
            at, = re.findall(r'href="[^"]*(worker/[^"]*)\.html"', page("info/main/workers.html"))[:1]
            seen.append((json.loads(page("json/counts.json")), page(f"info/{at}.html")))

    with scheduler(file, dashboard=port), ExitStack() as team:
        wait(file.exists)
        team.enter_context(worker(file))
        sweep(SMALL, tmp_path / "out", executor="dask", scheduler=str(file), progress=progress)
    assert seen and all(counts["workers"] == 1 and counts["clients"] >= 1 for counts, _ in seen)
    assert any(counts["tasks"] and counts["processing"] for counts, _ in seen)
    assert any("call-" in tasks for _, tasks in seen) and not any(counts["erred"] for counts, _ in seen)


@pytest.mark.full
def test_jobs_of_submitit(tmp_path, whole, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs.yaml").write_text("cluster: local\ntimeout_min: 1\n")
    sweep(SMALL, tmp_path / "out", executor="slurm", scheduler="jobs.yaml", processes=2)
    assert (tmp_path / "out/sweep.csv").read_bytes() == whole
    assert (tmp_path / "slurm").is_dir()


@pytest.mark.full
def test_schedulers_that_do_not_answer(call, tmp_path, monkeypatch):
    """In one sentence each."""
    monkeypatch.setattr("xbarch.support.executors.dask._PATIENCE", 1.0)
    words = ("sweep", "resnet18_sweep", "--out", tmp_path / "out", "--executor")
    code, out, error = call(*words, "dask", "--scheduler", "tcp://127.0.0.1:9")
    assert (code, out) == (2, "") and "no Dask scheduler answers at tcp://127.0.0.1:9" in error
    assert error.count("\n") == 1
    code, _, error = call(*words, "dask")
    assert code == 2 and "scheduler: must be the address of a Dask scheduler" in error
    with scheduler(tmp_path / "empty.json"):
        wait((tmp_path / "empty.json").exists)
        with pytest.raises(InputError, match="has no workers; start some with `dask worker"):
            opener("dask", Asked(scheduler=str(tmp_path / "empty.json")))()
    (tmp_path / "wrong.yaml").write_text("- a list\n")
    for file, says in (("none.yaml", "none.yaml: scheduler: cannot be read"), ("wrong.yaml", "must hold parameters")):
        code, _, error = call(*words, "slurm", "--scheduler", tmp_path / file)
        assert code == 2 and says in error and error.count("\n") == 1
    (tmp_path / "jobs.yaml").write_text("cluster: slurm\n")
    code, _, error = call(*words, "slurm", "--scheduler", tmp_path / "jobs.yaml")
    assert code == 2 and "Slurm cannot be used" in error and error.count("\n") == 1


@pytest.mark.full
def test_an_own_executor_gives_the_same_table(tmp_path, whole):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        xbarch.sweep(SMALL, tmp_path / "out", executor=pool)
    assert (tmp_path / "out/sweep.csv").read_bytes() == whole
