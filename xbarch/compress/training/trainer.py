"""Phases of training. Each epoch depends on the recipe and its own number alone, so an interrupted run that resumes
ends with the same bytes as an unbroken one."""

from __future__ import annotations

import hashlib
import json
import math
import os
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from xbarch.compress.methods.admm import Admm
from xbarch.compress.methods.hoyer import Hoyer
from xbarch.compress.methods.lasso import Lasso
from xbarch.compress.methods.pruner import Pruner, crossbar
from xbarch.compress.methods.slices import Slices
from xbarch.compress.methods.zeroize import Zeroize
from xbarch.compress.quantizers.network import Network
from xbarch.compress.training.data import Images, Parts, augmented
from xbarch.compress.training.devices import Devices
from xbarch.errors import InputError
from xbarch.plugins import registry
from xbarch.specs.recipe import Adaptation, Pruning, Recipe, Training
from xbarch.support.progress import Progress
from xbarch.workload.graph import Workload

ALGORITHMS: dict[str, type[Pruner]] = {"lasso": Lasso, "admm": Admm, "recover": Zeroize, "cut": Pruner,
                                     "slices": Slices, "hoyer": Hoyer}


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
        "model", "width", "data", "quantization", "baseline", "seed", "threads"})
    base = _digest({**parts, "source": source, "torch": torch.__version__})
    made = [Phase("baseline", base, recipe.baseline)]
    if recipe.pruning is not None:
        key = _digest({"base": base, **recipe.pruning.model_dump(mode="json", exclude_none=True)})
        made.append(Phase("pruning", key, recipe.pruning.training, recipe.pruning))
    if recipe.adaptation is not None:
        key = _digest({"base": made[-1].key, **recipe.adaptation.model_dump(mode="json", exclude_none=True)})
        made.append(Phase("adaptation", key, recipe.adaptation.training, adaptation=recipe.adaptation))
    return made


def _digest(what: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(kw_only=True)
class Trainer:
    """Runs phases of one network. folder: where checkpoints live."""

    network: Network
    parts: Parts
    recipe: Recipe
    folder: Path
    progress: Progress | None = None
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
        optimizer, pruner = self.optimizer(phase.training), self.pruner(phase)
        start = self.restore(phase, optimizer, pruner) if resume else 0
        first = self.cut(pruner) if pruner is not None and start == 0 and pruner.spec.cut_after == 0 else {}
        if phase.adaptation is not None and start == 0:
            self.devices.begin(0)
            self.recalibrate()
        for epoch in range(start + 1, phase.training.epochs + 1):
            row = self.epoch(phase, epoch, optimizer, None if pruner is None or pruner.hard else pruner)
            row.update(first if epoch == 1 else {})
            if pruner is not None:
                row.update(self.close(phase, epoch, pruner))
            row["val_accuracy"] = self.accuracy(self.parts.val)
            self.history.append(row)
            self.save(phase, epoch, optimizer, pruner)
            if self.progress is not None:
                text = ", ".join(f"{k} {v:.4g}" for k, v in row.items() if isinstance(v, float))
                self.progress(epoch, phase.training.epochs, f"{phase.name}: {text}")

    def check(self) -> None:
        """Refuse what later phases would refuse, before hours are spent on the baseline."""
        if self.recipe.adaptation is not None:
            self.devices.begin(0)
        for phase in phases(self.recipe, ""):
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
        return ALGORITHMS[phase.pruning.algorithm.name](self.network, phase.pruning, path)

    def cut(self, pruner: Pruner) -> dict[str, float]:
        """The projection for good; accuracy right after it, before anything is trained again."""
        pruner.harden()
        return {"val_accuracy_cut": self.accuracy(self.parts.val), "test_accuracy_cut": self.score(self.parts.test)}

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

    def optimizer(self, training: Training) -> torch.optim.SGD:
        """Learned steps of weights do not decay."""
        named = list(self.network.named_parameters())
        steps = [p for name, p in named if name.endswith("levels.learned")]
        others = [p for name, p in named if not name.endswith("levels.learned")]
        groups: list[dict[str, Any]] = [{"params": others}]
        if steps:
            groups.append({"params": steps, "weight_decay": 0.0})
        return torch.optim.SGD(groups, training.rate, training.momentum, weight_decay=training.weight_decay)

    def epoch(self, phase: Phase, epoch: int, optimizer: torch.optim.SGD, pruner: Pruner | None) -> dict[str, Any]:
        """Pass number `epoch`, from 1, over the training images in an order drawn for it."""
        t, train = phase.training, self.parts.train
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + epoch - 1)
        order = torch.randperm(len(train), generator=generator)
        batches = [b for b in order.split(t.batch) if len(b) > 1]
        soft = phase.pruning.cut_after or t.epochs if phase.pruning else t.epochs
        self.network.train()
        if phase.adaptation is not None:
            self.devices.begin(epoch)
            self.network.keep_statistics()
        total = 0.0
        for step, index in enumerate(batches):
            done = epoch - 1 + step / len(batches)
            rate = _rate(t, done)
            for group in optimizer.param_groups:
                group["lr"] = rate
            x, y = train[index]
            if self.recipe.data.augment:
                x = augmented(x, generator)
            loss = F.cross_entropy(self.network(x), y)
            total += float(loss.detach()) * len(index)
            loss = loss + self.recipe.quantization.clip_penalty * self.network.clips()
            penalty = pruner.penalty(done / soft) if pruner is not None else None
            if penalty is not None:
                loss = loss + penalty
            if not math.isfinite(float(loss.detach())):
                raise InputError(f"the loss is not finite in epoch {epoch} of {phase.name}: lower the learning rate "
                                 "or the penalty", field=f"{phase.name}.rate")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            self.network.tie()
            if pruner is not None:
                pruner.step(rate, done / soft, epoch)
        return {"phase": phase.name, "epoch": epoch, "loss": total / len(train)}

    # -- accuracy ---------------------------------------------------------------------------------------

    def accuracy(self, images: Images) -> float:
        """Share of right answers, batch norm recalibrated first on training images."""
        self.recalibrate()
        return self.score(images)

    def recalibrate(self) -> None:
        """A fixed draw of up to 1,024 training images; the same for every caller."""
        generator = torch.Generator().manual_seed(self.recipe.seed)
        index = torch.randperm(len(self.parts.train), generator=generator)[:1024]
        self.network.recalibrate([self.parts.train[i][0] for i in index.split(128) if len(i) > 1])

    def score(self, images: Images) -> float:
        return float(self.right(images).double().mean())

    @torch.no_grad()
    def right(self, images: Images) -> Tensor:
        """Which images are classified rightly, bool [images]."""
        self.network.eval()
        batches = [images[slice(i, i + 250)] for i in range(0, len(images), 250)]
        return torch.cat([self.network(x).argmax(1) == y for x, y in batches])

    # -- checkpoints ------------------------------------------------------------------------------------

    def path(self, phase: Phase) -> Path:
        return self.folder / f"{phase.name}-{phase.key}.pt"

    def save(self, phase: Phase, epoch: int, optimizer: torch.optim.SGD, pruner: Pruner | None) -> None:
        path = self.path(phase)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            torch.save({"epoch": epoch, "network": self.network.state_dict(), "optimizer": optimizer.state_dict(),
                        "history": json.dumps(self.history), "pruner": pruner.state() if pruner else None}, temporary)
            os.replace(temporary, path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise InputError(f"cannot be written: {error.strerror}",
                             file=path) from None

    def restore(self, phase: Phase, optimizer: torch.optim.SGD, pruner: Pruner | None) -> int:
        """Epochs already done."""
        path = self.path(phase)
        if not path.is_file():
            return 0
        try:
            found = torch.load(path, weights_only=True)
            self.network.load_state_dict(found["network"])
            optimizer.load_state_dict(found["optimizer"])
            if pruner is not None:
                pruner.restore(found["pruner"])
            self.history[:] = json.loads(found["history"])
            return int(found["epoch"])
        except Exception as error:
            raise InputError(f"is not a checkpoint of this recipe ({type(error).__name__}); delete it to start anew",
                             file=path) from None


def _rate(t: Training, epoch: float) -> float:
    if t.schedule == "cosine":
        return t.rate * 0.5 * (1 + math.cos(math.pi * epoch / t.epochs))
    if t.schedule == "steps":
        return t.rate * t.factor ** sum(epoch >= s for s in t.steps)
    return t.rate
