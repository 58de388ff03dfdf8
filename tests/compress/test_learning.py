"""How training computes: as a plain loop does, resumed within an epoch, in parts, by workers, on other devices."""

import hashlib
import os
import subprocess
import sys
from copy import deepcopy
from itertools import product
from math import cos, pi

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from pydantic import ValidationError

from xbarch.compress.images import folders
from xbarch.compress.training import augment, data
from xbarch.compress.training.batches import batches
from xbarch.compress.training.hardware import Setup, chosen, joined
from xbarch.compress.training.learner import Learner
from xbarch.compress.training.network import build
from xbarch.compress.training.provenance import source_digest
from xbarch.compress.training.trainer import Trainer, phases
from xbarch.errors import InputError
from xbarch.specs.learning import Augment, Distill, Hardware, Training
from xbarch.specs.recipe import Recipe
from xbarch.workload.store import MANIFEST

torch.set_num_threads(1)

MODEL = """
from torch import nn

def small():
    return nn.Sequential(nn.Conv2d(1, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3),
                         nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(16, 10))

def plain():
    return nn.Sequential(nn.Conv2d(1, 8, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10))
"""
ADMM = {"method": "segprune", "algorithm": {"name": "admm", "rho": 0.05}, "density": 0.5, "cut_after": 1,
        "training": {"epochs": 2, "rate": 0.02, "batch": 300}}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learning")
    (folder / "model.py").write_text(MODEL)
    return folder


def recipe(place, model="small", augment=False, pruning=None, hardware=None, **training):
    baseline = {"epochs": 2, "rate": 0.05, "batch": 300, **training}
    return Recipe.model_validate({
        "kind": "trained", "model": f"{place}/model.py:{model}", "baseline": baseline, "hardware": hardware or {},
        "data": {"name": "digits", "size": 8, "channels": 1, "augment": augment},
        **({} if pruning is None else {"pruning": pruning})})


def trainer(spec, folder):
    parts = data.load(spec.data, spec.seed)
    return Trainer(network=build(spec, parts), parts=parts, recipe=spec, folder=folder)


def equal(first, second):
    return all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(),
                                                 strict=True))


def test_an_epoch_is_a_plain_loop(place, tmp_path):
    """Equal to the bit to gradient descent written down anew."""
    spec = recipe(place, augment=True, epochs=1)
    found = trainer(spec, tmp_path)
    network, train = deepcopy(found.network), found.parts.train
    found.epoch(phases(spec, "")[0], 1, Learner(found.network, spec.baseline, Setup()), None)
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(network.parameters(), 0.05, 0.9, weight_decay=5e-4)
    order = torch.randperm(len(train), generator=generator)
    network.train()
    for number, start in enumerate(range(0, len(train), 300)):
        optimizer.param_groups[0]["lr"] = 0.05 * 0.5 * (1 + cos(pi * (number / 5)))
        index = order[start:start + 300]
        x, flip = train.pixels[index].float() / 255, torch.rand(len(index), generator=generator) < 0.5
        dy, dx = torch.randint(9, (2, len(index)), generator=generator).tolist()
        x = torch.stack([F.pad(image.flip(2) if f else image, (4, 4, 4, 4))[:, a:a + 8, b:b + 8]
                         for image, f, a, b in zip(x, flip, dy, dx, strict=True)])
        loss = F.cross_entropy(network(x), train.labels[index]) + 0.01 * network.clips()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert -(-len(train) // 300) == 5 and equal(found.network, network)


@pytest.mark.parametrize("training", [{}, {"optimizer": "adam", "rate": 0.005, "accumulate": 3}])
def test_resuming_within_an_epoch_changes_nothing(place, tmp_path, monkeypatch, training):
    """Stopped in the second epoch of the baseline, and in the second of the pruning."""
    changes = {"area": 0.5, "mixup": 0.2}
    pruning = ADMM | {"training": ADMM["training"] | training | {"save_every": 2, "epochs": 3}, "cut_after": 2,
                      "distill": {"weight": 0.3}}
    spec = recipe(place, augment=changes, pruning=pruning, save_every=2, **training)
    whole = trainer(spec, tmp_path / "whole")
    for phase in phases(spec, ""):
        whole.run(phase)
    save, saved = Trainer.save, []

    def failing(self, *arguments):
        save(self, *arguments)
        saved.append(len(arguments) == 5 and arguments[1] == 1)  # within the second epoch
        if saved[-1] and sum(saved) <= 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "save", failing)
    for _ in range(2):
        broken = trainer(spec, tmp_path / "broken")
        with pytest.raises(KeyboardInterrupt):
            for phase in phases(spec, ""):
                broken.run(phase)
    broken = trainer(spec, tmp_path / "broken")
    for phase in phases(spec, ""):
        broken.run(phase)
    assert equal(broken.network, whole.network)
    assert broken.history == whole.history


def test_parts_of_a_batch_add_up_to_its_gradient(place, tmp_path):
    """Without batch norm, whose statistics are those of a part."""
    spec = recipe(place, "plain")
    start = trainer(spec, tmp_path)
    x, y = start.parts.train[slice(0, 60)]
    found = []
    for count in (1, 4):
        network = deepcopy(start.network)
        training = Training(epochs=1, rate=0.1, batch=60, accumulate=count)
        loss = Learner(network, training, Setup()).step(x, y, 1.0, None, lambda n=network: [0.01 * n.clips()])
        found.append((loss[0], torch.cat([p.detach().flatten() for p in network.parameters()])))
    assert float(found[0][0]) == pytest.approx(float(found[1][0]), rel=1e-5)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-6)


def test_nothing_is_learned_from_a_teacher_that_answers_alike(place, tmp_path):
    """Divergence from itself has no gradient; from another network it has."""
    start = trainer(recipe(place, "plain"), tmp_path)
    network = start.network.eval()
    x, y = start.parts.train[slice(0, 32)]
    training = Training(epochs=1, rate=1.0, batch=32, momentum=0, weight_decay=0)
    learner = Learner(network, training, Setup(), Distill(weight=1.0, temperature=2.0))
    before = deepcopy(network.state_dict())
    learner.step(x, y, 1.0, None, list)
    assert all(torch.allclose(before[name], value, atol=1e-6) for name, value in network.state_dict().items())
    with torch.no_grad():
        learner.teacher.compute_nodes()[-1].bias[3] += 2
    learner.step(x, y, 1.0, None, list)
    moved = network.compute_nodes()[-1].bias.detach() - before["nodes.3.bias"]
    assert moved.argmax() == 3


def test_a_crop_of_the_whole_is_the_image_and_mixing_keeps_the_mean():
    x = torch.rand(6, 3, 12, 12)
    box = torch.stack((torch.rand(6), torch.full((6,), 0.5), torch.rand(6), torch.rand(6)))
    assert torch.allclose(augment.Drawn(Augment(area=1.0), box=box).applied(x), x, atol=1e-5)
    drawn = augment.draw(6, Augment(flip=False, shift=0, area=0.2), torch.Generator().manual_seed(0))
    ramp = torch.arange(12.0).expand(6, 1, 12, 12) / 11
    cut = drawn.applied(ramp)
    assert (cut.diff(dim=3) >= -1e-6).all() and cut.amax() <= 1 + 1e-6  # a piece of a ramp is a flatter ramp
    assert ((cut[:, 0, 0, -1] - cut[:, 0, 0, 0]) < 0.99).any()
    mixed = augment.mix(x, 0.3)
    assert torch.allclose(mixed.mean(0), x.mean(0), atol=1e-6)
    assert torch.allclose(mixed[2], 0.3 * x[2] + 0.7 * x[1])


def test_what_is_drawn_does_not_depend_on_who_computes():
    x = torch.rand(8, 1, 10, 10)
    drawn = augment.draw(8, Augment(area=0.3, mixup=0.4), torch.Generator().manual_seed(3))
    halves = [drawn.part(slice(i, i + 4)).applied(x[i:i + 4]) for i in (0, 4)]
    assert torch.equal(torch.cat(halves), drawn.applied(x)) and 0 < drawn.mixed < 1


def test_workers_read_the_same_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "_FEW", 0)
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(6):
                Image.new("RGB", (10, 10), (i * 40, 20 * len(part), 9)).save(tmp_path / part / name / f"{i}.png")
    spec = Recipe.model_validate({"kind": "trained", "model": "resnet20", "baseline": {"epochs": 1, "rate": 0.1},
                                  "data": {"name": "folder", "path": str(tmp_path), "size": 8}})
    train = data.load(spec.data, 0).train
    order = torch.randperm(len(train)).split(3)
    for one, two in zip(batches(train, order), batches(train, order, 2), strict=True):
        assert torch.equal(one[0], two[0]) and torch.equal(one[1], two[1])
    broken = list(train.pixels.files)[int(order[1][0])]
    broken.write_bytes(b"no image")
    with pytest.raises(InputError) as caught:
        list(batches(train, order, 2))
    assert str(broken) in str(caught.value) and "is not an image" in str(caught.value)


def test_the_digest_of_files_is_that_of_their_names_and_sizes(tmp_path, monkeypatch):
    """As text of a list, made piece by piece."""
    monkeypatch.setattr(folders, "_FEW", 0)
    for part, name in product(("train", "test"), ("a", "b")):
        (tmp_path / part / name).mkdir(parents=True)
        for i in range(3):
            Image.new("L", (9, 9), 20 * i).save(tmp_path / part / name / f"it's {i}.png")
    spec = Recipe.model_validate({"kind": "trained", "model": "resnet20", "baseline": {"epochs": 1, "rate": 0.1},
                                  "data": {"name": "folder", "path": str(tmp_path), "size": 8}})
    parts, whole = data.load(spec.data, 0), hashlib.sha256()
    for part in (parts.train, parts.val, parts.test):
        whole.update(part.labels.numpy())
        whole.update(repr([(str(path), path.stat().st_size) for path in part.pixels.files]).encode())
    assert source_digest(spec, parts) == whole.hexdigest()[:16]


ALGORITHMS = [{"name": "lasso"}, {"name": "lasso", "form": "proximal"}, {"name": "admm"}, {"name": "cut"},
              {"name": "slices"}, {"name": "hoyer"}]


@pytest.mark.quick(2)
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: "_".join(a.values()))
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_step_runs_where_the_network_lies(place, tmp_path, algorithm, device):
    """On `meta` nothing is computed, but a tensor that is on another device is refused."""
    spec = recipe(place, pruning=ADMM | {"method": "meng", "options": {"group_ch": 4}, "algorithm": algorithm})
    found = trainer(spec, tmp_path)
    phase = phases(spec, "")[1]
    pruner = found.pruner(phase)
    setup = Setup(torch.device(device), Hardware(channels_last=True))
    x, y = found.parts.train[slice(0, 8)]
    setup.place(found.network)
    for kind in ("z", "u"):
        if hasattr(pruner, kind):
            setattr(pruner, kind, [[t.to(device) for t in ts] for ts in getattr(pruner, kind)])
    learner = Learner(found.network, phase.training, setup, Distill())
    drawn = augment.draw(8, Augment(area=0.5, mixup=0.2), torch.Generator())
    loss = learner.step(setup.moved(x), setup.moved(y), 1.0, drawn, lambda: found.penalties(pruner, 0.5))
    pruner.step(0.1, 0.5, 1)
    assert loss.device.type == device
    assert device == "meta" or bool(loss.isfinite().all())


def test_half_precision_learns(place, tmp_path):
    spec = recipe(place, hardware={"precision": "bf16", "channels_last": True}, epochs=2)
    found = trainer(spec, tmp_path)
    found.setup = chosen(spec.hardware)
    found.run(phases(spec, "")[0])
    losses = [row["loss"] for row in found.history]
    assert losses[1] < losses[0]
    assert all(p.dtype == torch.float32 for p in found.network.parameters())


@pytest.mark.full
def test_a_compiled_network_learns_alike(place, tmp_path):
    found = []
    for compiled in (False, True):
        spec = recipe(place, hardware={"compile": compiled}, epochs=1)
        one = trainer(spec, tmp_path / str(compiled))
        one.setup = chosen(spec.hardware)
        one.run(phases(spec, "")[0])
        found.append(one.history[0]["loss"])
    assert found[0] == pytest.approx(found[1], rel=1e-3)


def test_defaults_leave_dumps_and_checkpoints_as_they_were(place):
    plain, workers = recipe(place), recipe(place, hardware={"workers": 3}, save_every=7)
    text = plain.model_dump_json()
    assert not any(f'"{name}"' in text for name in ("hardware", "optimizer", "accumulate", "save_every", "distill"))
    assert phases(plain, "")[0].key == phases(workers, "")[0].key  # they change no result
    for other in (recipe(place, hardware={"device": "cuda"}), recipe(place, accumulate=2)):
        assert phases(plain, "")[0].key != phases(other, "")[0].key
        assert Recipe.model_validate_json(other.model_dump_json()) == other


@pytest.mark.parametrize("fields, says", [
    ({"accumulate": 7}, "accumulate: must divide 300 (batch) into parts of two or more images, not 7"),
    ({"hardware": {"device": "cpu", "precision": "fp16"}}, "precision: must be full or bf16 on device cpu, not fp16"),
    ({"augment": {"shift": -1}}, "augment")])
def test_fields_that_do_not_go_together(place, fields, says):
    with pytest.raises(ValidationError) as caught:
        recipe(place, **fields)
    assert says in str(caught.value)


def test_devices_that_are_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert chosen(Hardware(device="auto")).device.type == "cpu"
    with pytest.raises(InputError, match=r"hardware.device: must be cpu or auto, not cuda: PyTorch .* finds no such"):
        chosen(Hardware(device="cuda"))


def test_processes_without_torchrun(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    for name in ("LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="WORLD_SIZE is 2, but LOCAL_RANK, MASTER_ADDR, MASTER_PORT are not set: "
                                         "start several processes by torchrun"), joined(Hardware()):
        pass


def test_batches_that_do_not_divide_among_processes(place, tmp_path):
    found = trainer(recipe(place), tmp_path)
    found.setup = Setup(world=7)
    with pytest.raises(InputError, match=r"baseline.batch: must divide into 7 processes x 1 \(accumulate\) parts of "
                                         "two or more images, not 300"):
        found.run(phases(found.recipe, "")[0])


SCRIPT = """
import sys, torch
from pathlib import Path
from xbarch.compress.training.run import train
train(Path(sys.argv[1]), out=Path(sys.argv[2]), cache=Path(sys.argv[3]))
"""


@pytest.mark.full
@pytest.mark.parametrize("accumulate", [1, 2])
def test_two_processes_train_as_one(place, tmp_path, accumulate):
    """Of a batch of 48 each has 24; batch norm's statistics and ranges are those of all. Single precision sums in
    another order, so weights are equal up to its rounding."""
    pruning = ADMM | {"training": ADMM["training"] | {"batch": 48, "epochs": 2, "accumulate": accumulate}}
    spec = recipe(place, "plain" if accumulate > 1 else "small", augment={"area": 0.8}, pruning=pruning, epochs=1,
                  batch=48, rate=0.01, accumulate=accumulate)
    (tmp_path / "r.yaml").write_text(spec.model_dump_json(exclude_none=True))
    (tmp_path / "train.py").write_text(SCRIPT)
    weights, environment = [], {k: v for k, v in os.environ.items() if k not in ("WORLD_SIZE", "RANK")}
    for name, start in (("one", []), ("two", ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"])):
        made = subprocess.run([sys.executable, *start, str(tmp_path / "train.py"), str(tmp_path / "r.yaml"),
                               str(tmp_path / name), str(tmp_path / f"{name}-cache")], capture_output=True, text=True,
                              env={**environment, "OMP_NUM_THREADS": "1"}, timeout=900)
        assert made.returncode == 0, made.stderr[-2000:]
        path, = (tmp_path / f"{name}-cache/train").glob("baseline-*.pt")
        weights.append(torch.load(path, weights_only=True)["network"])
        assert (tmp_path / name / MANIFEST).is_file()
    first, second = weights
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert torch.allclose(value.float(), second[key].float(), atol=2e-3, rtol=1e-2), key
