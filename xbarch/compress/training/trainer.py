"""Phases of training. Each epoch depends on the recipe and its own number alone, so an interrupted run that resumes
ends with the same bytes as an unbroken one."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xbarch.compress.methods.admm import Admm
from xbarch.compress.methods.decorrelate import Decorrelate
from xbarch.compress.methods.hoyer import Hoyer
from xbarch.compress.methods.lasso import Lasso
from xbarch.compress.methods.pruner import Pruner, crossbar
from xbarch.compress.methods.select import Select
from xbarch.compress.methods.slices import Slices
from xbarch.compress.methods.stepwise import Stepwise
from xbarch.compress.methods.zeroize import Zeroize
from xbarch.compress.quantizers.network import Network
from xbarch.compress.training import checkpoint
from xbarch.compress.training.augment import draw
from xbarch.compress.training.batches import batches
from xbarch.compress.training.data import Images, Parts
from xbarch.compress.training.devices import Devices
from xbarch.compress.training.hardware import Setup
from xbarch.compress.training.learner import Learner
from xbarch.compress.training.network import build
from xbarch.errors import InputError
from xbarch.plugins import registry
from xbarch.specs.learning import Training
from xbarch.specs.recipe import Adaptation, Pruning, Recipe
from xbarch.support.progress import Progress
from xbarch.workload.graph import Workload
from xbarch.workload.measures import TOP_ONE, Measure, Reals

ALGORITHMS: dict[str, type[Pruner]] = {"lasso": Lasso, "admm": Admm, "recover": Zeroize, "cut": Pruner,
                                     "slices": Slices, "hoyer": Hoyer, "stepwise": Stepwise, "decorrelate": Decorrelate,
                                     "select": Select}

_TOGETHER, _VALUES = 250, 2**24  # images that are measured at a time, and numbers that the network returns for them


@dataclass
class Phase:
    """A stretch of training: `key` names its checkpoint, derived from all that its result depends on."""

    name: str
    key: str
    training: Training
    pruning: Pruning | None = None
    adaptation: Adaptation | None = None


def phases(recipe: Recipe, source: str) -> list[Phase]:
    """The baseline, then the pruning, then the adaptation. Recipes with equal phases before share their checkpoints.

    source: digest of a user's own model, checkpoint and images.
    """
    parts = recipe.model_dump(mode="json", exclude_none=True, include={
        "model", "width", "filters", "kernels", "data", "quantization", "baseline", "start", "measure", "seed",
        "threads", "hardware"}, exclude={
        "hardware": {"workers"}, "baseline": {"save_every"}})
    if not parts.get("hardware", True):
        del parts["hardware"]
    base = _digest({**parts, "source": source, "torch": torch.__version__})
    made = [Phase("baseline", base, recipe.baseline)] if recipe.baseline is not None else []
    if recipe.pruning is not None:
        pruned = recipe.pruning.model_dump(mode="json", exclude_none=True, exclude={"training": {"save_every"}})
        key = _digest({"base": base, **pruned})
        made.append(Phase("pruning", key, recipe.pruning.training, recipe.pruning))
    if recipe.adaptation is not None:
        base = made[-1].key if made else base
        key = _digest({"base": base, **recipe.adaptation.model_dump(mode="json", exclude_none=True)})
        made.append(Phase("adaptation", key, recipe.adaptation.training, adaptation=recipe.adaptation))
    return made


def _digest(what: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


@dataclass
class Begun:
    """An epoch under way: what is left of it follows from this. batches: done; loss: their sum over images."""

    batches: int
    loss: float
    generator: torch.Generator


@dataclass(kw_only=True)
class Trainer:
    """Runs phases of one network. folder: where checkpoints live. measure: of its outputs, here called accuracy."""

    network: Network
    parts: Parts
    recipe: Recipe
    folder: Path
    measure: Measure = TOP_ONE
    progress: Progress | None = None
    setup: Setup = field(default_factory=Setup)
    first: dict[str, float] = field(default_factory=dict)  # what a cut before the first epoch adds to its figures
    history: list[dict[str, Any]] = field(default_factory=list)

    def run(self, phase: Phase, resume: bool = True) -> None:
        """Train `phase` from its checkpoint, or from where the network stands."""
        with nullcontext() if phase.adaptation is None else self.devices.at_work():
            self._run(phase, resume)

    @cached_property
    def devices(self) -> Devices:
        """Those of the machine that the recipe adapts to."""
        return Devices.of(self.network, self.recipe, self.parts.test[slice(0, 1)][0])

    def _run(self, phase: Phase, resume: bool) -> None:
        self._check_batch(phase)
        self.setup.place(self.network)
        learner = Learner(self.network, phase.training, self.setup, phase.pruning.distill if phase.pruning else None)
        pruner = self.pruner(phase)
        start, begun = self.restore(phase, learner, pruner) if resume else (0, None)
        if pruner is not None and start == 0 and begun is None and pruner.spec.cut_after == 0:
            self.first = self.cut(pruner)
        if phase.adaptation is not None and start == 0:
            self.devices.start()
            self.recalibrate()
        for epoch in range(start + 1, phase.training.epochs + 1):
            row = self.epoch(phase, epoch, learner, pruner, begun)
            row.update(self.first)
            begun, self.first = None, {}
            if pruner is not None:
                row.update(self.close(phase, epoch, pruner))
            row[f"val_{self.word}"] = self.accuracy(self.parts.val)
            self.history.append(row)
            self.save(phase, epoch, learner, pruner)
            if self.progress is not None:
                text = ", ".join(f"{k} {v:.4g}" for k, v in row.items() if isinstance(v, float))
                self.progress(epoch, phase.training.epochs, f"{phase.name}: {text}")

    def check(self) -> None:
        """Refuse what later phases would refuse, before hours are spent on the baseline."""
        if self.recipe.adaptation is not None:
            self.devices.begin(0)
        for phase in phases(self.recipe, ""):
            self._check_batch(phase)
            try:
                pruner = self.pruner(phase)
                if pruner is not None and phase.pruning is not None and phase.pruning.density is not None:
                    pruner.projected([n.weight for n in pruner.nodes], phase.pruning.density)
            except InputError as error:  # data paths know no recipes
                if error.field not in ("density", "method"):
                    raise
                raise InputError(error.message, field=f"pruning.{error.field}") from None

    def pruner(self, phase: Phase) -> Pruner | None:
        """The phase's algorithm on its method's data path."""
        if phase.pruning is None:
            return None
        path = registry.datapath(phase.pruning.method, phase.pruning.options)
        layers = tuple(n.layer for n in self.network.compute_nodes())
        reason = path.accepts(Workload(name="pruned", layers=layers), crossbar(phase.pruning.geometry))
        if reason:
            raise InputError(reason, field="pruning.method")
        made = ALGORITHMS[phase.pruning.algorithm.name](self.network, phase.pruning, path)
        made.sample, made.seed = lambda images: list(self.sampled(images)), self.recipe.seed
        return made

    def cut(self, pruner: Pruner) -> dict[str, float]:
        """The projection for good; accuracy right after it, before anything is trained again."""
        if pruner.fresh:
            self.network.load_state_dict(build(self.recipe, self.parts, self.measure).state_dict())
        pruner.harden()
        return {f"val_{self.word}_cut": self.accuracy(self.parts.val),
                f"test_{self.word}_cut": self.score(self.parts.test)}

    def close(self, phase: Phase, epoch: int, pruner: Pruner) -> dict[str, float]:
        """What the algorithm does after an epoch."""
        found: dict[str, float] = {}
        assert phase.pruning is not None
        if epoch == phase.pruning.cut_after:
            found = self.cut(pruner)
        elif not pruner.hard:
            pruner.close(epoch)
        if epoch == phase.training.epochs:
            pruner.settle()
        return {**found, **pruner.figures()}

    def epoch(self, phase: Phase, epoch: int, learner: Learner, pruner: Pruner | None,
              begun: Begun | None = None) -> dict[str, Any]:
        """Pass number `epoch`, from 1, over the training images in an order drawn for it; the rest of it where some
        batches are done."""
        t, train, setup = phase.training, self.parts.train, self.setup
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + epoch - 1)
        order = torch.randperm(len(train), generator=generator).split(t.batch)
        least = 2 * t.accumulate * setup.world  # images without which a batch has no statistics
        order = tuple(b for b in order if len(b) >= least)
        now = Begun(0, 0.0, generator) if begun is None else begun
        soft = phase.pruning.cut_after or t.epochs if phase.pruning else t.epochs
        active = None if pruner is None or pruner.hard else pruner
        self.network.train()
        if phase.adaptation is not None:
            self.devices.begin(epoch)
            self.network.keep_statistics()
        left = [b[setup.share(len(b))] for b in order[now.batches:]]
        for x, y in batches(train, left, self.recipe.hardware.workers):
            index = order[now.batches]
            done = epoch - 1 + now.batches / len(order)
            rate = _rate(t, done)
            for group in learner.optimizer.param_groups:
                group["lr"] = rate
            drawn = draw(len(index), self.recipe.data.changes, now.generator)
            loss = learner.step(train.seen(setup.moved(x)), setup.moved(y), len(x) * setup.world / len(index),
                                drawn and drawn.part(setup.share(len(index))),
                                partial(self.penalties, active, done / soft))
            if not bool(loss.isfinite().all()):
                raise InputError(f"the loss is not finite in epoch {epoch} of {phase.name}: lower the learning rate "
                                 "or the penalty", field=f"{phase.name}.rate")
            self.network.tie()
            if active is not None:
                active.step(rate, done / soft, epoch)
            now.batches, now.loss = now.batches + 1, now.loss + float(loss[0]) * len(x)
            if t.save_every and now.batches % t.save_every == 0 and now.batches < len(order):
                self.save(phase, epoch - 1, learner, pruner, now)
        total = float(setup.total(torch.tensor(now.loss, dtype=torch.float64)))
        return {"phase": phase.name, "epoch": epoch, "loss": total / len(train)}

    def penalties(self, pruner: Pruner | None, progress: float) -> list[Tensor]:
        """Terms that are added to the loss of a batch."""
        own = pruner.penalty(progress) if pruner is not None else None
        return [self.recipe.quantization.clip_penalty * self.network.clips(), *([] if own is None else [own])]

    # -- accuracy ---------------------------------------------------------------------------------------

    def accuracy(self, images: Images) -> float:
        """The measure of images, batch norm recalibrated first on training images."""
        self.recalibrate()
        return self.score(images)

    def recalibrate(self) -> None:
        """A fixed draw of up to 1,024 training images; the same for every caller."""
        if self.recipe.adaptation is not None:
            self.devices.calibrate()
        self.network.recalibrate(x for x, _ in self.sampled(1024))

    def sampled(self, images: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Training images as the network sees them, with their labels, in parts."""
        generator = torch.Generator().manual_seed(self.recipe.seed)
        index = torch.randperm(len(self.parts.train), generator=generator)[:images]
        train, parts = self.parts.train, [part for part in index.split(128) if len(part) > 1]
        for x, y in batches(train, parts, self.recipe.hardware.workers):
            yield train.seen(self.setup.moved(x)), self.setup.moved(y)

    @property
    def word(self) -> str:
        """What the measure is called in a history."""
        return "accuracy" if self.measure is TOP_ONE else self.measure.name

    def score(self, images: Images) -> float:
        return float(self.measure.value(self.counts(images).sum(axis=0)))

    @torch.no_grad()
    def counts(self, images: Images) -> Reals:
        """The measure's counts of every image [images, counts]."""
        self.network.eval()
        every = torch.arange(len(images))[self.setup.share(len(images))]
        own, parts = every.split(self._together), []
        for x, y in batches(images, own, self.recipe.hardware.workers):
            found = self.network.answers(images.seen(self.setup.moved(x)), self.measure.order)
            parts.append(self.measure.counts([t.double().cpu().numpy() for t in found], y.numpy()))
        counts = np.concatenate(parts)
        whole = torch.zeros(len(images), counts.shape[1], dtype=torch.float64)
        whole[every] = torch.from_numpy(counts)
        return np.asarray(self.setup.total(whole).numpy())

    @property
    def _together(self) -> int:
        """Images of which all outputs are held at a time."""
        return max(1, min(_TOGETHER, _VALUES // sum(prod(output.shape) for output in self.network.outputs)))

    # -- checkpoints ------------------------------------------------------------------------------------

    def path(self, phase: Phase) -> Path:
        return self.folder / f"{phase.name}-{phase.key}.pt"

    def save(self, phase: Phase, epoch: int, learner: Learner, pruner: Pruner | None,
             begun: Begun | None = None) -> None:
        """Write the checkpoint, once for all processes."""
        losses = None if begun is None else self.setup.gathered(begun.loss)
        if self.setup.rank:
            return
        state = {"epoch": epoch, "network": self.network.state_dict(), **learner.state(),
                 "history": json.dumps(self.history), "pruner": pruner.state() if pruner else None}
        if begun is not None:
            state["begun"] = {"batches": begun.batches, "losses": losses, "generator": begun.generator.get_state(),
                              "first": self.first}
        checkpoint.write(self.path(phase), state)

    def restore(self, phase: Phase, learner: Learner, pruner: Pruner | None) -> tuple[int, Begun | None]:
        """Epochs already done, and what is done of the next."""
        begun: list[Begun] = []

        def take(found: dict[str, Any]) -> int:
            self.network.load_state_dict(found["network"])
            learner.restore(found)
            if pruner is not None:
                pruner.restore(found["pruner"])
            self.history[:] = json.loads(found["history"])
            if "begun" in found:
                now = found["begun"]
                generator = torch.Generator()
                generator.set_state(now["generator"].cpu())
                begun.append(Begun(int(now["batches"]), float(now["losses"][self.setup.rank]), generator))
                self.first = dict(now["first"])
            return int(found["epoch"])

        done = checkpoint.read(self.path(phase), self.setup.device, take)
        return done, begun[0] if begun else None

    def _check_batch(self, phase: Phase) -> None:
        t, world = phase.training, self.setup.world
        if phase.adaptation is not None and world > 1:
            raise InputError("is for one process, as devices are drawn for whole batches", field="adaptation")
        if t.batch % (world * t.accumulate) or t.batch < 2 * world * t.accumulate:
            place = "baseline" if phase.name == "baseline" else f"{phase.name}.training"
            raise InputError(f"must divide into {world} processes x {t.accumulate} (accumulate) parts of two or more "
                             f"images, not {t.batch}", field=f"{place}.batch")


def _rate(t: Training, epoch: float) -> float:
    if t.schedule == "cosine":
        return t.rate * 0.5 * (1 + math.cos(math.pi * epoch / t.epochs))
    if t.schedule == "steps":
        return t.rate * t.factor ** sum(epoch >= s for s in t.steps)
    return t.rate
