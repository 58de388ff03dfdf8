"""CPU time of an epoch of each pruning algorithm, as a ratio to the same network trained by plain PyTorch in the same
run, in turns. Reading images and measuring accuracy are left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.page import Goal, goals, number, table
from benchmarks.spent import cpu

TITLE = "Training"
MOST = 1.35  # of an epoch's time, over plain PyTorch's
ROUNDS = 3  # of which the fastest counts
METHODS: list[tuple[str, str, dict[str, Any]]] = [  # what is shown, data path, algorithm
    ("lasso", "meng", {"name": "lasso"}), ("lasso, proximal", "meng", {"name": "lasso", "form": "proximal"}),
    ("ADMM", "segprune", {"name": "admm"}), ("zeroize and recover", "huai", {"name": "recover"}),
    ("bit slices", "dense", {"name": "slices"}), ("Hoyer", "dense", {"name": "hoyer"})]
Epoch = Callable[[], object]


def measure(asked: Any, say: Any) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    width, images = (8, 128) if asked.quick else (64, 256)
    with TemporaryDirectory() as folder:
        say("networks")
        epochs = {"plain PyTorch": _plain(width, images), "baseline": _epoch(width, images, Path(folder))}
        for name, path, algorithm in METHODS:
            epochs[name] = _epoch(width, images, Path(folder), path, algorithm)
        found = dict.fromkeys(epochs, float("inf"))
        for number_ in range(1, ROUNDS + 1):
            for name, epoch in epochs.items():
                say(f"round {number_} of {ROUNDS}: {name}")
                found[name] = min(found[name], cpu(epoch)[0])
    return {"width": width, "images": images, "epochs": found}


def _recipe(width: int, pruning: dict[str, Any] | None) -> Any:
    from xbarch.specs.recipe import Recipe

    return Recipe.model_validate({
        "kind": "trained", "model": "resnet18", "width": width, "data": {"name": "digits"},
        "baseline": {"epochs": 4, "rate": 0.01}, **({} if pruning is None else {"pruning": pruning})})


def _few(recipe: Any, images: int) -> Any:
    """The recipe's data with that many training images."""
    from dataclasses import replace

    from xbarch.compress.images.parts import Images
    from xbarch.compress.training import data

    parts = data.load(recipe.data, 0)
    return replace(parts, train=Images(parts.train.pixels[:images], parts.train.labels[:images]))


def _plain(width: int, images: int) -> Epoch:
    """The model itself, by a loop as short as can be."""
    import torch
    import torch.nn.functional as F

    from xbarch.compress.intake import models

    recipe = _recipe(width, None)
    train, model = _few(recipe, images).train, models.build("resnet18", 10, width, 0)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, 0.9, weight_decay=5e-4)

    def epoch() -> None:
        model.train()
        for index in torch.randperm(images).split(64):
            x, y = train[index]
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def _epoch(width: int, images: int, folder: Path, path: str = "", algorithm: dict[str, Any] | None = None) -> Epoch:
    """An epoch of the baseline, or of an algorithm before its cut."""
    from xbarch.compress.training.hardware import Setup
    from xbarch.compress.training.learner import Learner
    from xbarch.compress.training.network import build
    from xbarch.compress.training.trainer import Trainer, phases

    recipe = _recipe(width, None if algorithm is None else {
        "method": path, "algorithm": algorithm, "density": 0.5, "cut_after": 3,
        "training": {"epochs": 4, "rate": 0.01}})
    parts = _few(recipe, images)
    trainer = Trainer(network=build(recipe, parts), parts=parts, recipe=recipe, folder=folder)
    phase = phases(recipe, "")[-1]
    pruner, learner = trainer.pruner(phase), Learner(trainer.network, phase.training, Setup())
    return lambda: trainer.epoch(phase, 1, learner, pruner)


def lines(found: dict[str, Any]) -> list[str]:
    epochs = found["epochs"]
    plain = epochs["plain PyTorch"]
    return [
        f"ResNet-18 of width {found['width']}, {found['images']} images of 32 × 32, one thread; the fastest of",
        f"{ROUNDS} epochs each, taken in turns.",
        *table(["", "an epoch, CPU s", "× plain"], [[name, number(spent), number(spent / plain)]
                                                   for name, spent in epochs.items()]),
        *goals([Goal(f"{name}: over plain PyTorch", spent / plain, MOST, "×") for name, spent in epochs.items()
                if name != "plain PyTorch"])]
