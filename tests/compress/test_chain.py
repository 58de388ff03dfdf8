"""Huai's chain: every scale a power of two of the one before; integers and shifts equal the trained network."""

import numpy as np
import pytest
import torch

from xbarch.compress.intake.trace import trace_model
from xbarch.compress.quantizers.levels import Weights, power, rounded
from xbarch.compress.quantizers.network import Network
from xbarch.compress.training import data
from xbarch.compress.training.export import workload
from xbarch.compress.training.network import build
from xbarch.compress.training.trainer import Trainer, phases
from xbarch.errors import InputError
from xbarch.specs.recipe import Quantization, Recipe
from xbarch.workload.infer import infer, multiplies

torch.set_num_threads(1)


def recipe(model, **quantization):
    return Recipe.model_validate({
        "kind": "trained", "model": model, "width": None if model == "lenet5" else 4,
        "data": {"name": "digits", "size": 32, "channels": 1 if model == "lenet5" else 3},
        "quantization": {"weight_scale": "lsq", "chain": "power_of_two", **quantization},
        "baseline": {"epochs": 1, "rate": 0.05}})


@pytest.mark.full
@pytest.mark.parametrize("model, quantization", [
    ("resnet20", {}), ("resnet18", {"weight_bits": 3, "activation_bits": 5}), ("vgg7", {"weight_scale": "mean"}),
    ("lenet5", {"weight_bits": 8, "activation_bits": 8})])
def test_integers_and_shifts_equal_the_trained_network(tmp_path, model, quantization):
    """Every intermediate of every image, and nothing but exact powers of two between them."""
    spec = recipe(model, **quantization)
    parts = data.load(spec.data, 0)
    network = build(spec, parts)
    trainer = Trainer(network=network, parts=parts, recipe=spec, folder=tmp_path)
    trainer.run(phases(spec, "")[0])
    trainer.recalibrate()
    images, _ = parts.test[slice(0, 12)]
    made = workload("w", network, images)
    for layer in made.layers:
        if layer.scale is not None:
            assert not multiplies(layer) and set(np.frexp(layer.scale)[0]) == {0.5}
    kept = {}
    network.double().eval()
    with torch.no_grad():
        network(images.double(), keep=kept)
    for i, image in enumerate(images):
        found = infer(made, np.rint(image.numpy() * 255).astype(np.int64), shifts=True)
        for layer in made.layers[:-1]:
            levels = kept[layer.name][i].numpy() / float(network.step(layer.name).detach())
            assert np.array_equal(found[layer.name].reshape(levels.shape), levels), layer.name
        last = made.layers[-1]
        scores = kept[last.name][i].numpy()
        unit = min(1.0, float(last.scale.min()))
        assert np.array_equal(found[last.name].reshape(scores.shape) * unit, scores)


@pytest.mark.full
def test_a_real_network_has_no_shifts(tmp_path):
    spec = recipe("resnet20", chain="real")
    parts = data.load(spec.data, 0)
    made = workload("w", build(spec, parts), parts.test[slice(0, 1)][0])
    assert any(multiplies(la) for la in made.layers)
    with pytest.raises(InputError, match="no power of two"):
        infer(made, np.zeros((3, 32, 32), np.int64), shifts=True)


def test_powers_of_two():
    x = torch.tensor([0.3, 0.99, 1.4, 1.5, 6.0], requires_grad=True)
    y = power(x)
    assert y.tolist() == [0.25, 1, 1, 2, 8]
    y.sum().backward()
    assert x.grad.tolist() == [1] * 5
    assert rounded(torch.tensor([0.5, 1.5, -0.5, 2.49])).tolist() == [1, 2, 0, 2]


def test_learned_steps_take_the_gradient_of_lsq():
    """Esser et al., ICLR 2020, equation 3: -w/s + round(w/s) inside, the bound outside; scaled by 1/sqrt(N top)."""
    w = torch.tensor([0.26, -0.4, 3.0, -9.0], requires_grad=True)
    q = Weights(3, "lsq", 2.0, start=w)
    assert float(q.learned.detach()) == pytest.approx(2 * float(w.detach().abs().mean()) / 3**0.5)
    with torch.no_grad():
        q.learned.fill_(0.5)
    q(w).sum().backward()
    real, top = w.detach().numpy() / 0.5, 3
    inside = np.abs(real) <= top
    want = np.where(inside, np.round(real) - real, np.clip(real, -top, top)).sum() / np.sqrt(4 * top)
    assert float(q.learned.grad) == pytest.approx(want, rel=1e-5)
    assert w.grad.tolist() == inside.astype(float).tolist()


def test_bits_that_are_gone_stay_gone():
    """The nearest magnitude within the allowed bits, the sign fixed, by trying all."""
    rng = np.random.default_rng(1)
    allowed = rng.integers(-7, 8, 500)
    w = rng.normal(size=500) * 4
    q = Weights(4, "lsq", 2.0, start=torch.tensor(w))
    with torch.no_grad():
        q.learned.fill_(1.0)
    q.allowed = torch.tensor(allowed, dtype=torch.int8)
    found = q.integers(torch.tensor(w))[0].numpy()
    for got, bits, value in zip(found, allowed, w, strict=True):
        sign, level = np.sign(bits), np.clip(np.round(value), -7, 7)
        options = [sign * m for m in range(8) if m & ~abs(bits) == 0]
        assert got in options
        assert abs(got - max(level * sign, 0) * sign) == min(abs(o - max(level * sign, 0) * sign) for o in options)


def test_average_pooling_divides_by_a_power_of_two():
    """3 x 3 windows: by 8, in the trained network as in the integers."""
    class Pooled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.pool, self.c = torch.nn.Conv2d(3, 4, 3), torch.nn.AvgPool2d(3), torch.nn.Linear(16, 10)

        def forward(self, x):
            return self.c(self.pool(torch.relu(self.a(x))).flatten(1))

    network = Network(trace_model(Pooled(), (3, 8, 8)), Quantization(chain="power_of_two", clip=1.0))
    image = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    made = workload("w", network, image)
    kept = {}
    network.double().eval()
    with torch.no_grad():
        network(image.double(), keep=kept)
    found = infer(made, np.rint(image[0].numpy() * 255).astype(np.int64), shifts=True)
    step = {la.name: float(network.step(la.name).detach()) for la in made.layers}
    pool = next(la for la in made.layers if la.op == "avgpool")
    assert pool.scale[0] * 8 == step[pool.inputs[0]] / step[pool.name]
    assert found[pool.name].any() and np.array_equal(found[pool.name] * step[pool.name], kept[pool.name][0].numpy())
