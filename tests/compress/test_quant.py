"""Quantizers against their formulas."""

import numpy as np
import pytest
import torch

from xbarch.compress.quantizers.levels import Pact, Signed, Weights

torch.set_num_threads(1)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("scale", ["mean", "nonzero_mean", "sawb"])
def test_odd_symmetric_levels(bits, scale):
    w = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    w[::3] = 0
    q = Weights(bits, scale, 2.0)
    size, top = w.abs().double(), 2 ** (bits - 1) - 1
    clip = {"mean": 2 * size.mean(), "nonzero_mean": 2 * size[size > 0].mean(),
            "sawb": w.double().std() / 0.077 - 1.013 / 0.077 * size.mean()}[scale]
    ints, step = q.integers(w)
    assert step == pytest.approx(float(clip) / top, rel=1e-5)
    assert set(np.unique(ints)) <= set(range(-top, top + 1))
    torch.testing.assert_close(q(w), ints * step.float(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(q(-w), -q(w))
    nearest = (w / step).clamp(-top, top)
    assert float((ints - nearest).abs().max()) <= 0.5 + 1e-4
    if bits == 4 and scale == "nonzero_mean":
        assert len(np.unique(ints)) == 15


@pytest.mark.parametrize("scale", ["mean", "nonzero_mean", "sawb", "lsq"])
def test_steps_of_filters_are_those_of_each_filter_alone(scale):
    """Forward, backward and integers of a layer whose filters have steps of their own equal those of its filters, each
    as a layer."""
    w = torch.randn(5, 3, 2, 2, generator=torch.Generator().manual_seed(1)) * torch.logspace(-2, 2, 5).view(-1, 1, 1, 1)
    w.requires_grad_()
    q = Weights(4, scale, 2.0, start=w, each=True)
    q(w).square().sum().backward()
    ints, steps = q.integers(w)
    for f in range(5):
        one = w.detach()[f:f + 1].clone().requires_grad_()
        alone = Weights(4, scale, 2.0, start=one)
        alone(one).square().sum().backward()
        assert torch.equal(alone.integers(one)[0][0], ints[f])
        torch.testing.assert_close(alone.integers(one)[1], steps[f:f + 1])
        torch.testing.assert_close(one.grad[0], w.grad[f])
        if scale == "lsq":
            torch.testing.assert_close(alone.learned.grad, q.learned.grad[f].reshape(()))


def test_weights_all_zero_stay_zero():
    for scale in ("mean", "nonzero_mean", "sawb"):
        ints, step = Weights(4, scale, 2.0).integers(torch.zeros(8))
        assert not ints.any() and step > 0


def test_straight_through():
    w = torch.tensor([-3.0, 0.1, 5.0], requires_grad=True)
    Weights(4, "mean", 2.0)(w).sum().backward()
    assert w.grad.tolist() == [1, 1, 1]


def test_pact_values_and_gradients():
    """dy/dx = 1 inside (0, alpha); alpha takes the gradient of clipped values (Choi et al., 2018, equation 3), and
    of the rounding inside."""
    p = Pact(2, 3.0)
    x = torch.tensor([-1.0, 0.4, 1.6, 9.0], requires_grad=True)
    y = p(x)
    assert y.tolist() == [0, 0, 2, 3]
    y.sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 0]
    # y = round(x / (alpha/3)) * alpha/3: (round(u) - u)/3 for the inner two, 1 for the clipped one
    assert float(p.alpha.grad) == pytest.approx((-0.4 + 0.4) / 3 + 1, abs=1e-5)


def test_signed_follows_the_largest():
    s = Signed(8)
    s.train()
    for _ in range(200):
        s(torch.tensor([-6.35, 1.0]))
    assert float(s.most) == pytest.approx(6.35, rel=1e-3)
    s.eval()
    out = s(torch.tensor([-6.35, 0.026, 99.0]))
    step = float(s.step)
    assert out.tolist() == pytest.approx([-127 * step, step, 127 * step])


def test_a_step_learns_how_errors_of_devices_grow_with_it():
    """Held levels are the right ones plus errors; the step's gradient has the errors' part, the weights' does not."""
    torch.manual_seed(0)
    w, errors = torch.randn(6, 5, requires_grad=True), torch.randn(6, 5)
    quantizer = Weights(4, "lsq", 2.0, start=w)
    found = []
    for held in (None, quantizer.levels(w, quantizer.step(w)) + errors):
        w.grad = quantizer.learned.grad = None
        out = quantizer(w, held)
        (out * torch.arange(30.0).reshape(6, 5)).sum().backward()
        found.append((out.detach(), w.grad, quantizer.learned.grad))
    (exact, of_w, of_step), (real, noisy_w, noisy_step) = found
    torch.testing.assert_close(real - exact, errors * quantizer.learned.detach())
    torch.testing.assert_close(noisy_w, of_w)
    part = (errors * torch.arange(30.0).reshape(6, 5)).sum() / (30 * 7) ** 0.5
    torch.testing.assert_close(noisy_step - of_step, part)


def test_weights_are_widened_to_so_many_deviations():
    """Of the weights that are there; a step that is smaller already stays."""
    torch.manual_seed(0)
    w = torch.randn(40, 30) * (torch.rand(40, 30) > 0.5)
    quantizer = Weights(4, "lsq", 2.0, start=10 * w)
    quantizer.widen(w, 2.0)
    there = w[w != 0].double()
    assert quantizer.learned.item() == pytest.approx(float(2 * there.square().mean().sqrt() / 7), rel=1e-5)
    quantizer.widen(w, 3.0)
    assert quantizer.learned.item() == pytest.approx(float(2 * there.square().mean().sqrt() / 7), rel=1e-5)
