"""CPU time and memory of functions and of commands, and a loop by which machines can be compared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import simpy

ROOT = Path(__file__).resolve().parents[1]
_METER = Path(__file__).with_name("meter.py")


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call in this process, and what it made."""
    start = time.process_time()
    made = work()
    return time.process_time() - start, made


def reference(events: int = 1_000_000) -> float:
    """CPU seconds of so many SimPy timeouts, one after the other in one process."""
    env = simpy.Environment()

    def loop():
        for _ in range(events):
            yield env.timeout(1)

    env.process(loop())
    return cpu(env.run)[0]


@dataclass(frozen=True)
class Cost:
    """Of a command: exit code (see `meter.py`), CPU and wall seconds, most memory of any one of its processes (MB),
    the end of what it said."""

    code: int
    cpu_s: float
    wall_s: float
    peak_mb: float
    said: str


def command(words: Sequence[str | Path], cwd: Path = ROOT, env: Mapping[str, str] | None = None,
            limit: float = 3600) -> Cost:
    """Run a command, and those that it waits for; killed after `limit` seconds."""
    found = subprocess.run([sys.executable, "-S", "-E", _METER, str(limit), *words], stdout=subprocess.PIPE, check=True,
                           cwd=cwd, env=env)
    return Cost(**json.loads(found.stdout))


def xbarch(*words: str | Path, module: str = "xbarch", cache: Path | None = None) -> Cost:
    """`command` for `xbarch WORDS` of this repository, or another module of it. cache: its folder for what is kept.

    Raises:
        RuntimeError: it failed.
    """
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "PYTHONPATH": path, **({"XBARCH_CACHE": str(cache)} if cache else {})}
    cost = command([sys.executable, "-m", module, *words], env=env)
    if cost.code:
        raise RuntimeError(f"{module} {' '.join(map(str, words))} ended with exit code {cost.code}: {cost.said}")
    return cost
