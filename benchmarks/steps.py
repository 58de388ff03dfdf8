"""CPU time of a run by step, measured by watching the functions that `xbarch.run` calls.

    python -m benchmarks.steps OUT.json simulate -a isaac_like -w resnet18_pruned

runs `xbarch simulate ...` and writes the seconds of every step. A step's time is its own: what another step inside it
takes, such as loading a module, is the other's.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

Watched = Mapping[str, Sequence[tuple[str, str]]]  # step: (module, function) each

IMPORTS: Watched = {"import": [("importlib._bootstrap", "_find_and_load")]}
RUN: Watched = {
    "load": [("xbarch.run", name) for name in ("prepare",)],
    "pack": [("xbarch.run", "pack_network")],
    "plan": [("xbarch.run", "_planned")],
    "compile": [("xbarch.machine.alike", "compile_sent"),
                *(("xbarch.run", name) for name in ("compile_with_egress", "apply_mode"))],
    "simulate": [("xbarch.machine.simulate", name) for name in ("run", "run_long")],
    "check": [("xbarch.run", "check"), ("xbarch.machine.simulate", "conserve")],
    "record": [("xbarch.machine.simulate", "interval_of"),
               *(("xbarch.run", name) for name in ("counted", "booked", "nameplate", "record"))],
}
ENGINE: Watched = {"tables": [("xbarch.sim.fast", name) for name in ("tables", "_laid", "_grown", "_trace")]}
ORDER = ("start", "import", "load", "pack", "plan", "compile", "simulate", "check", "record", "other")


class Steps:
    """CPU seconds by step inside a `with`; `other` is what no step takes."""

    def __init__(self, watched: Watched) -> None:
        self.seconds = dict.fromkeys([*watched, "other"], 0.0)
        self._inside, self._mark = ["other"], 0.0
        self._before: list[tuple[Any, str, Any]] = []
        for step, functions in watched.items():
            for module, name in functions:
                owner = importlib.import_module(module)
                if not hasattr(owner, name):
                    raise AttributeError(f"the step {step!r} watches {module}.{name}, which is not there")
                self._before.append((owner, name, self._timed(step, getattr(owner, name))))

    def __enter__(self) -> Steps:
        self._swap()
        self._mark = time.process_time()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._charge()
        self._swap()

    def _swap(self) -> None:
        """Put each function, or what stood in its place, where the other is."""
        swapped = [(owner, name, getattr(owner, name)) for owner, name, _ in self._before]
        for owner, name, function in self._before:
            setattr(owner, name, function)
        self._before = swapped

    def _charge(self) -> None:
        now = time.process_time()
        self.seconds[self._inside[-1]] += now - self._mark
        self._mark = now

    def _timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            self._charge()
            self._inside.append(step)
            try:
                return function(*args, **named)
            finally:
                self._charge()
                self._inside.pop()
        return call


def main(out: Path, words: list[str]) -> None:
    """Run `xbarch WORDS` in this process and write the seconds of its steps."""
    start = time.process_time()
    with Steps(IMPORTS) as loading:
        importlib.import_module("xbarch.cli")
        importlib.import_module("xbarch.run")
    sys.argv = ["xbarch", *words]
    code: Any = 0
    with Steps({**IMPORTS, **RUN}) as steps:
        try:
            importlib.import_module("xbarch.__main__").main()
        except SystemExit as stop:
            code = stop.code
    found = {**steps.seconds, "start": start}
    for step in ("import", "other"):
        found[step] += loading.seconds[step]
    out.write_text(json.dumps({step: found[step] for step in ORDER}), encoding="utf-8")
    sys.exit(code)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
