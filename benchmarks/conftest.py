"""What `benchmarks/history` keeps of a run of the kernels: statistics, and no name of a machine."""

from typing import Any

import pytest

from xbarch.support.about import __version__

_NAMED = ("group", "name", "fullname", "param", "params", "extra_info")
_STATS = ("min", "max", "mean", "stddev", "median", "iqr", "outliers", "ops", "rounds", "iterations")


@pytest.hookimpl
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    cpu = machine_info.get("cpu", {})
    shown = {k: cpu[k] for k in ("brand_raw", "arch", "count") if k in cpu}
    kept = {k: machine_info[k] for k in ("machine", "python_implementation", "python_version", "system")}
    machine_info.clear()
    machine_info.update(kept, cpu=shown)


@pytest.hookimpl
def pytest_benchmark_update_json(config: pytest.Config, benchmarks: Any, output_json: dict[str, Any]) -> None:
    output_json["commit_info"] = {"version": __version__}
    output_json["benchmarks"] = [
        {**{k: one[k] for k in _NAMED}, "stats": {k: _short(one["stats"][k]) for k in _STATS}}
        for one in output_json["benchmarks"]]


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value
