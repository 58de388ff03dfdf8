"""The trials of a search, which Optuna chooses and keeps in a storage that its other programs read too."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, PartialFixedSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from xbarch.errors import InputError
from xbarch.request import digest_of
from xbarch.specs.search import Search
from xbarch.specs.text import brief
from xbarch.studies.search.model import Told, propose
from xbarch.studies.search.space import Parameter, Places, Space

_CONTENT, _PLACES, _BATCH = "xbarch.search", "xbarch.places", "xbarch.batch"  # attributes in the storage
_CANDIDATES = 200  # points that TPE draws to choose from: many, as spaces are of choices
_REPEATS = 5  # trials in a row that repeat a point, after which a new point is drawn

optuna.logging.set_verbosity(optuna.logging.CRITICAL)
logging.getLogger("alembic").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Trial:
    """A point that was asked for. Several trials may have the same one."""

    number: int
    places: Places
    batch: int
    told: bool


@dataclass(frozen=True)
class Judged:
    """What a trial is told."""

    values: Sequence[float] | None
    """Of the objectives; None: it did not run, or lacks one."""
    excess: Mapping[str, float]
    """How far each constraint is broken; 0: it is kept."""
    notes: Mapping[str, Any]
    """For who reads the storage."""


class Trials:
    """A study of Optuna. Which point comes next follows from the trials before and the seed alone, so a search that was
    interrupted ends as if it had not been."""

    def __init__(self, asked: Search, space: Space, place: str) -> None:
        """place: URL of a database, or a file.

        Raises:
            InputError: the storage cannot be used, or holds another search.
        """
        self.asked, self.space = asked, space
        self._distributions = {each.name: _distribution(each) for each in space.parameters}
        try:
            self.study = optuna.create_study(
                storage=_storage(place), study_name=asked.title, load_if_exists=True, sampler=RandomSampler(),
                directions=["minimize" if way == "min" else "maximize" for way in asked.objectives.values()])
            self._claim(place)
        except InputError:
            raise
        except Exception as error:  # of any database
            said = str(error).strip().splitlines() or [type(error).__name__]
            raise InputError(f"{brief(place, 100)} cannot be used as the storage of a search ({brief(said[0], 150)}); "
                             "give a file, or the URL of a database as in sqlite:///search.db",
                             field="storage") from None
        every = self.study.get_trials(deepcopy=False)
        self.trials = [found for each in every if (found := _read(each))]
        self.tried = {trial.places for trial in self.trials}

    def _claim(self, place: str) -> None:
        """Refuse a study that another search began; mark a new one as this search's."""
        own = digest_of(self.asked.model_dump(mode="json", exclude={"trials", "description", "figures", "scope"}))
        found = self.study.user_attrs.get(_CONTENT)
        if found is None and not self.study.get_trials(deepcopy=False):
            self.study.set_user_attr(_CONTENT, own)
            with _quiet():
                self.study.set_metric_names(list(self.asked.objectives))
        elif found != own:
            raise InputError(f"{brief(place, 100)} holds another search of the title {brief(self.asked.title)!r}, "
                             "whose space, objectives, constraints, sampler, at_once or seed differ; give another "
                             "title, output folder or storage", field="storage")

    @property
    def simulated(self) -> int:
        """How many different points were told."""
        return len({trial.places for trial in self.trials if trial.told})

    def point(self, trial: Trial) -> str:
        """Return the digest of a trial's request, as it was when the trial was told; empty before."""
        return str(self.study.get_trials(deepcopy=False)[trial.number].user_attrs.get("point", ""))

    def batch(self) -> list[Trial]:
        """Return the trials to run next: those that are under way after an interruption, else new ones. Empty: there
        are enough, or there is no other point."""
        number = self.trials[-1].batch if self.trials else 0
        last = [trial for trial in self.trials if trial.batch == number]
        if last and not any(trial.told for trial in last):
            return self._filled(last, number)
        return [trial for trial in last if not trial.told] or self._filled([], number + 1)

    def _filled(self, batch: list[Trial], number: int) -> list[Trial]:
        """Ask for trials until the batch has enough points, some of which other trials of it may repeat."""
        before = {trial.places for trial in self.trials if trial.told}
        room = min(self.asked.at_once, self.asked.trials - len(before))
        planned = self._proposed(room, number) if self.asked.sampler == "model" and room else None
        while len({trial.places for trial in batch} - before) < room:
            repeated = batch[-_REPEATS:]
            stuck = len(repeated) == _REPEATS and not {trial.places for trial in repeated} - before
            places = None
            if planned is not None:
                if len(batch) == len(planned):
                    break
                places = planned[len(batch)]
            elif (stuck or len(self.tried) == self.space.size) and (
                    places := self.space.untried(self.tried, self._seed(len(self.trials)))) is None:
                break
            batch.append(self._ask(number, places))
        return batch if room else []

    def _proposed(self, count: int, number: int) -> list[Places]:
        """Return what the model proposes for a batch, from the trials before it."""
        signs = [1 if way == "min" else -1 for way in self.asked.objectives.values()]
        every, told = self.study.get_trials(deepcopy=False), dict[Places, Told]()
        for trial in self.trials:
            if trial.batch < number:
                values, excess = every[trial.number].values, every[trial.number].constraints.values()
                scaled = None if values is None else tuple(s * v for s, v in zip(signs, values, strict=True))
                told[trial.places] = Told(trial.places, scaled, values is not None and all(v <= 0 for v in excess))
        return propose(self.space, list(told.values()), count, self._seed(number))

    def _seed(self, number: int) -> int:
        return int(np.random.SeedSequence([self.asked.seed, number]).generate_state(1)[0])

    def _ask(self, batch: int, places: Places | None) -> Trial:
        """Ask for a trial. places: of a certain point."""
        sampler = _sampler(self.asked, self._seed(len(self.trials)))
        if places is not None:
            with _quiet():
                sampler = PartialFixedSampler(self.space.values(places), sampler)
        self.study.sampler = sampler
        begun = self.study.get_trials(deepcopy=False)[len(self.trials):]  # by a process that was killed just then
        trial = optuna.trial.Trial(self.study, begun[0]._trial_id) if begun else self.study.ask()
        for name, distribution in self._distributions.items():
            _suggest(trial, name, distribution)
        found = Trial(trial.number, self.space.places(trial.params), batch, False)
        trial.set_user_attr(_PLACES, found.places)
        trial.set_user_attr(_BATCH, batch)
        self.trials.append(found)
        self.tried.add(found.places)
        return found

    def tell(self, trial: Trial, judged: Judged) -> None:
        """Tell the values of a trial."""
        kept = self.study.get_trials(deepcopy=False)[trial.number]
        open_trial = optuna.trial.Trial(self.study, kept._trial_id)
        for name, value in judged.notes.items():
            open_trial.set_user_attr(name, value)
        for name, value in judged.excess.items():
            if name not in kept.constraints:
                open_trial.set_constraint(name, value)
        if judged.values is None:
            self.study.tell(trial.number, state=TrialState.FAIL)
        else:
            self.study.tell(trial.number, list(judged.values))
        self.trials[self.trials.index(trial)] = Trial(trial.number, trial.places, trial.batch, True)


@contextmanager
def _quiet() -> Iterator[None]:
    """What is called is marked experimental, and has been there for years."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def _storage(place: str) -> BaseStorage:
    if "://" in place:
        return RDBStorage(place)
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(place))


def _distribution(parameter: Parameter) -> BaseDistribution:
    values, step = parameter.values, parameter.step
    if step is None:
        return CategoricalDistribution(list(values))
    return IntDistribution(values[0], values[-1], step=step)


def _suggest(trial: Any, name: str, distribution: BaseDistribution) -> None:
    if isinstance(distribution, CategoricalDistribution):
        trial.suggest_categorical(name, distribution.choices)
    else:
        trial.suggest_int(name, distribution.low, distribution.high, step=distribution.step)


def _sampler(asked: Search, seed: int) -> BaseSampler:
    if asked.sampler == "nsga2":
        return NSGAIISampler(population_size=max(2, asked.at_once), seed=seed)
    if asked.sampler == "tpe":
        return TPESampler(seed=seed, multivariate=True, n_ei_candidates=_CANDIDATES)
    return RandomSampler(seed=seed)


def _read(trial: FrozenTrial) -> Trial | None:
    """Return a trial of the storage; None for one without a point."""
    if _BATCH not in trial.user_attrs:
        return None
    return Trial(trial.number, tuple(trial.user_attrs[_PLACES]), trial.user_attrs[_BATCH], trial.state.is_finished())
