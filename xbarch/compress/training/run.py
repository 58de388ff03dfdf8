"""From a recipe to a stored workload."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from xbarch.compress.images.parts import taken
from xbarch.compress.methods.pruner import crossbar
from xbarch.compress.quantizers.network import Network
from xbarch.compress.recipes import Job, resolve
from xbarch.compress.training import data
from xbarch.compress.training.crossbars import crossbar_accuracy
from xbarch.compress.training.export import pixels, statistics, workload
from xbarch.compress.training.hardware import Setup, joined
from xbarch.compress.training.network import build, refuse_shared
from xbarch.compress.training.objective import refuse_unfit
from xbarch.compress.training.provenance import source_digest, sparsity, versions
from xbarch.compress.training.search import search
from xbarch.compress.training.spread import On, train_on
from xbarch.compress.training.trainer import Phase, Trainer, phases
from xbarch.errors import InputError
from xbarch.kept import rows
from xbarch.plugins import registry
from xbarch.plugins.measures import find as find_measure
from xbarch.specs.recipe import Pruning, Recipe, Shape
from xbarch.support.executors.named import DEFAULT
from xbarch.support.files import digest
from xbarch.support.progress import Progress
from xbarch.workload.graph import Workload
from xbarch.workload.measures import TOP_ONE, Measure, Reals, usual
from xbarch.workload.store import read_manifest, save

_MEASURED = 64  # test images behind the statistics of inputs
_ON_DEVICES = 1000  # test images classified on devices, in passes of 250 with a draw each


def train(source: str | Path, *, out: Path | None = None, resume: bool = True, cache: Path | None = None,
          only: str = "*", data: Mapping[str, Any] | None = None, executor: str | Executor | None = None,
          processes: int | None = None, scheduler: str | None = None, progress: Progress | None = None) -> Path:
    """Train, prune and quantize as the recipe or grid of recipes `source` (path or bundled name) describes.

    Returns the folder written; for a grid, the folder that holds its workloads' folders.

    Args:
        out: folder for the stored workload; default: the recipe's name beside it, or in the current folder for a
            bundled one.
        resume: continue from checkpoints in `cache`, and skip members of a grid that are stored already.
        cache: default: $XBARCH_CACHE or ~/.cache/xbarch.
        only: train only members of a grid whose names match this pattern (`fnmatch`).
        data: fields of `data` in place of those of every recipe, as {"name": "cifar10", "path": "..."}.
        executor: of a grid, trains recipes there, several at a time, as `xbarch.sweep` runs points; None: one after the
            other in this process, unless `processes` are given.
        processes, scheduler: as of `xbarch.sweep`.
        progress: called with (epochs done, epochs of the phase, text), or on an executor (recipes stored, recipes in
            all, the last one's name).

    Raises:
        InputError: bad recipe, model, data or weights; something cannot be written; an executor for a single recipe.
        XbarchError: on an executor, some recipes were not trained.
    """
    jobs = resolve(source, out, cache, only, data)
    there = rows.read(jobs[0].out.parent) if jobs[0].grid else {}
    todo = [job for job in jobs if not (resume and job.grid and _is_stored(job, there))]
    if executor is not None or processes is not None or scheduler is not None:
        if not jobs[0].grid:
            raise InputError("is for grids of recipes, which are trained several at a time; leave it out",
                             field="processes" if executor is None else "executor")
        if todo:
            on = On(DEFAULT if executor is None else executor, processes, scheduler)
            train_on(on, source, todo, len(jobs), train_silently, data=data, resume=resume, progress=progress)
        return jobs[0].out.parent
    for number, job in enumerate(todo, len(jobs) - len(todo) + 1):
        report = progress
        if progress is not None and job.grid:
            report = partial(_prefixed, progress, f"{job.name}, {number} of {len(jobs)}: ")
        with job.document.blamed():
            train_job(job, resume, report)
    return jobs[0].out.parent if jobs[0].grid else jobs[0].out


def _is_stored(job: Job, there: Mapping[str, rows.Kept]) -> bool:
    """Whether the workload is stored, or its row is `there`, as this recipe makes it."""
    if job.row:
        return job.name in there and there[job.name].recipe == rows.of_recipe(job.recipe)
    try:
        return Recipe.model_validate(read_manifest(job.out).recipe) == job.recipe
    except (InputError, ValidationError):
        return False


def _prefixed(progress: Progress, lead: str, done: int, total: int, text: str) -> None:
    progress(done, total, lead + text)


def train_silently(job: Job, resume: bool) -> Path:
    """`train_job` without a report, as another process calls it."""
    return train_job(job, resume, None)


def train_job(job: Job, resume: bool, progress: Progress | None) -> Path:
    """Train one recipe and store its workload, or a row of it; returns the folder."""
    with joined(job.recipe.hardware) as setup:
        told = None if setup.rank else progress
        if not job.row:
            return _train_job(job, resume, told, setup)
        with TemporaryDirectory(prefix="xbarch-") as place:
            made = _train_job(replace(job, out=Path(place) / job.name), resume, told, setup)
            if not setup.rank:
                rows.add(job.out.parent, rows.made(made, job.name))
        return job.out.parent


def _train_job(job: Job, resume: bool, progress: Progress | None, setup: Setup) -> Path:
    recipe, name = job.recipe, job.name
    torch.set_num_threads(recipe.threads)
    parts = data.load(recipe.data, recipe.seed)
    measure = find_measure(recipe.measure or usual(parts.test.labels.numpy()))
    refuse_unfit(recipe, parts.test.labels)
    network = build(recipe, parts, measure)
    refuse_shared(network)
    trainer = Trainer(network=network, parts=parts, recipe=recipe, folder=job.cache / "train", measure=measure,
                      progress=progress, setup=setup)
    trainer.check()
    accuracy: dict[str, float] = {}
    pruning: Pruning | None = None
    counts: list[Reals] = []
    if recipe.start is not None:
        counts.append(trainer.counts(parts.test))
        accuracy["start"] = float(measure.value(counts[0].sum(axis=0)))
    for phase in phases(recipe, source_digest(recipe, parts)):
        if phase.pruning is not None:
            phase.pruning = pruning = search(trainer, phase.pruning, phase.key)
        trainer.run(phase, resume)
        accuracy |= _tested(trainer, phase)
        counts.append(trainer.counts(parts.test))
        cut = [row[key] for row in trainer.history if (key := f"test_{trainer.word}_cut") in row]
        accuracy.update(dict(zip(["cut"], cut, strict=False)))
    setup.meet()
    if setup.rank:  # all have the same network; one writes it
        return job.out
    network.cpu()
    images, _ = parts.test[slice(0, recipe.stored_images)]
    trained = workload(
        name, network, images, datapath=pruning.method if pruning else "dense",
        options=pruning.options if pruning else {},
        trained_on=recipe.data.name, accuracy=accuracy, measure=measure.name,
        source=f"{recipe.model} trained on {recipe.data.name} by the recipe {name}, seed {recipe.seed}")
    if recipe.crossbar_images:
        accuracy["crossbars"] = _through_crossbars(trained, recipe, measure, network, parts.test)
        trained = replace(trained, accuracy=accuracy)
    return save(trained, job.out, {
        "description": recipe.description, "seed": recipe.seed, "recipe": recipe.model_dump(mode="json"),
        "data": {"train": len(parts.train), "val": len(parts.val), "test": len(parts.test), "classes": parts.classes,
                 **({"sha256": digest(str(recipe.data.path))} if recipe.data.name == "arrays" else {})},
        "change": change(measure, counts[0], counts[-1], recipe.seed),
        "versions": versions(), "sparsity": sparsity(network),
        "inputs": statistics(network, trained.layers, parts.test[slice(0, _MEASURED)][0]), "history": trainer.history})


def _tested(trainer: Trainer, phase: Phase) -> dict[str, float]:
    """Accuracy after a phase, by its name; after an adaptation that on devices too, whose means and variances batch
    norm then keeps."""
    test = trainer.parts.test
    if phase.adaptation is None:
        return {phase.name: trainer.accuracy(test)}
    with trainer.devices.at_work():
        on_devices = trainer.accuracy(taken(test, torch.arange(min(_ON_DEVICES, len(test)))))
    return {phase.name: trainer.score(test), "devices": on_devices}


def change(measure: Measure, before: Reals, after: Reals, seed: int) -> dict[str, float]:
    """Change of a measure between two networks on the same images: mean, and the limits of its 95 % interval by paired
    bootstrap, 10,000 draws of as many images, 2,000 of other measures than top-1 (Efron and Tibshirani, 1993). before,
    after: counts [images, counts]."""
    count, chance = len(before), np.random.default_rng(seed)
    if measure is TOP_ONE:
        was, now = before[:, 0] > 0, after[:, 0] > 0
        gained, lost = int((now & ~was).sum()), int((was & ~now).sum())
        drawn = chance.multinomial(count, np.array([gained, lost, count - gained - lost]) / count, 10_000)
        mean, found = (gained - lost) / count, (drawn[:, 0] - drawn[:, 1]) / count
    else:
        both = np.stack([before, after])
        mean = float(np.diff(measure.value(both.sum(axis=1)))[0])
        found = np.array([np.diff(measure.value(chance.multinomial(count, np.full(count, 1 / count)) @ both))[0]
                          for _ in range(2_000)])
    low, high = np.quantile(found, [0.025, 0.975])
    return {"mean": mean, "low": float(low), "high": float(high)}


def _through_crossbars(trained: Workload, recipe: Recipe, measure: Measure, network: Network,
                       test: data.Images) -> float:
    """The measure of the first test images through packed crossbars and the method's ADCs."""
    path = registry.datapath(trained.datapath, trained.options)
    geometry = crossbar(recipe.pruning.geometry if recipe.pruning else Shape())
    x, y = test[slice(0, recipe.crossbar_images)]
    return crossbar_accuracy(trained, path, geometry, measure, pixels(network, x), y.numpy())
