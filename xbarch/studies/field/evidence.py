"""What other reports measured of the same networks: accuracy on devices with errors (`reports/noise.py`), speeds on
other peripheries (`reports/ranks.py`). Where a report was not written, there is nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xbarch.errors import InputError
from xbarch.specs.explain import explain
from xbarch.specs.text import brief, dotted
from xbarch.studies.accuracy.rows import named
from xbarch.support.files import read_json
from xbarch.support.ranks import spearman

NOISE, RANKS = Path("noise/noise.json"), Path("ranks.json")
IDEAL = "none"  # the name of no errors
_DENSE = "dense"
_MOST = 2**24  # bytes


@dataclass(frozen=True)
class Speed:
    """A method's speed-up over the dense network, and what binds the two."""

    gain: float
    bound_by: tuple[str, str]


@dataclass(frozen=True)
class Evidence:
    """What was found beside the field report."""

    accuracy: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """method -> kind of errors -> share of right answers; of the dense network as `dense`."""
    unsure: float = 0.0
    """Median half 95 % interval of these, a share."""
    speeds: Mapping[str, Mapping[str, Speed]] = field(default_factory=dict)
    """periphery -> workload of the large network -> its speed-up."""

    def lost(self, method: str, errors: str) -> float | None:
        """Return the accuracy that a method's network loses to these errors; None: not measured."""
        own = self.accuracy.get(method, {})
        return own[IDEAL] - own[errors] if IDEAL in own and errors in own else None

    def order(self, errors: str) -> float | None:
        """Return the rank correlation between accuracies without errors and with these; None: fewer than three."""
        pairs = [(own[IDEAL], own[errors]) for own in self.accuracy.values() if IDEAL in own and errors in own]
        different = len(pairs) > 2 and all(len(set(side)) > 1 for side in zip(*pairs, strict=True))
        return spearman(*(list(side) for side in zip(*pairs, strict=True))) if different else None


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class _Accuracy(_Part):
    value: float = Field(ge=0, le=1)
    interval_95: tuple[float, float]


class _Noisy(_Part):
    workload: str
    noise: str
    accuracy: _Accuracy


class _Noise(_Part):
    runs: list[_Noisy]


class _Paced(_Part):
    network: str
    workload: str
    variant: str
    datapath: str
    interval_ps: float = Field(gt=0)
    bound_by: str


class _Ranks(_Part):
    runs: list[_Paced]


_Report = TypeVar("_Report", _Noise, _Ranks)


def gather(folder: Path, network: str) -> Evidence:
    """Return what the reports in a folder say. network: of the speeds, as `reports/ranks.py` names it.

    Raises:
        InputError: a report there is damaged.
    """
    noise, ranks = _read(folder / NOISE, _Noise), _read(folder / RANKS, _Ranks)
    accuracy: dict[str, dict[str, float]] = {}
    halves = []
    for run in noise.runs if noise else ():
        parts = named(Path(run.workload).name)
        if parts is not None:
            accuracy.setdefault(parts[1], {})[run.noise] = run.accuracy.value
            halves.append((run.accuracy.interval_95[1] - run.accuracy.interval_95[0]) / 2)
    return Evidence(accuracy, sorted(halves)[len(halves) // 2] if halves else 0.0,
                    _speeds([run for run in ranks.runs if run.network == network] if ranks else []))


def _speeds(runs: list[_Paced]) -> dict[str, dict[str, Speed]]:
    dense = {run.variant: run for run in runs if run.datapath == _DENSE}
    found: dict[str, dict[str, Speed]] = {}
    for run in runs:
        base = dense.get(run.variant)
        if run.datapath != _DENSE and base is not None:
            found.setdefault(run.variant, {})[run.workload] = Speed(
                base.interval_ps / run.interval_ps, (base.bound_by, run.bound_by))
    return found


def _read(file: Path, kind: type[_Report]) -> _Report | None:
    if not file.is_file():
        return None
    data = read_json(file, _MOST)
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        message, trail = explain(error, data, kind)
        raise InputError(brief(message, 400), file=file, field=dotted(trail)) from None
