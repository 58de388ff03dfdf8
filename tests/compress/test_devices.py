"""Training on crossbars that are not ideal: sums, gradients and draws against the executor and closed forms."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import xbarch  # noqa: E402
from xbarch.compress.intake import models  # noqa: E402
from xbarch.compress.intake.trace import trace_model  # noqa: E402
from xbarch.compress.quantizers.network import Network  # noqa: E402
from xbarch.compress.training import data  # noqa: E402
from xbarch.compress.training.devices import Devices  # noqa: E402
from xbarch.compress.training.export import layers  # noqa: E402
from xbarch.compress.training.network import build  # noqa: E402
from xbarch.errors import InputError  # noqa: E402
from xbarch.functional.execute import reference  # noqa: E402
from xbarch.functional.plain import run  # noqa: E402
from xbarch.specs.recipe import Recipe  # noqa: E402
from xbarch.workload.graph import unroll  # noqa: E402
from xbarch.workload.store import load  # noqa: E402

pytestmark = pytest.mark.train
torch.set_num_threads(1)

PAIRS = "crossbar.subtraction=analog"
IDEAL = "noise.full_scale=ideal"


def recipe(*overrides: str, **more: object) -> Recipe:
    return Recipe.model_validate({
        "kind": "trained", "model": "vgg7", "width": 4, "data": {"name": "digits"},
        "quantization": {"weight_scale": "lsq", "clip": 4.0}, "baseline": {"epochs": 1, "rate": 0.03},
        "adaptation": {"arch": "isaac_like", "overrides": list(overrides), "training": {"epochs": 2, "rate": 0.01}},
        **more})


def made(*overrides: str, seed: int = 0) -> tuple[Network, Devices, torch.Tensor]:
    """A small network, its devices, and images."""
    asked = recipe(*overrides)
    torch.manual_seed(seed)
    network = Network(trace_model(models.build("vgg7", 10, 4, seed), (3, 32, 32)), asked.quantization)
    images = torch.rand(2, 3, 32, 32)
    network.recalibrate([images])
    network.eval()
    return network, Devices.of(network, asked, images), images


def inputs(network: Network, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """What every compute layer reads."""
    kept: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        network(images, keep=kept)
    return {n.layer.name: kept[n.layer.inputs[0]] for n in network.compute_nodes()}


@pytest.mark.quick(1)
@pytest.mark.parametrize("overrides", [(IDEAL,), (PAIRS, IDEAL), ("crossbar.adc_bits=9", "noise.full_scale=unit",
                                                                  "noise.effects.programming.independent=0.0000001")])
def test_devices_without_errors_give_the_exact_sums(overrides: tuple[str, ...]) -> None:
    network, devices, images = made(*overrides)
    before = inputs(network, images)
    with torch.no_grad(), devices.at_work():
        for node in network.compute_nodes():
            exact = node.products(before[node.layer.name], node.quantized())
            torch.testing.assert_close(node.sums(before[node.layer.name]), exact, rtol=1e-4, atol=1e-4)


@pytest.mark.quick(1)
@pytest.mark.parametrize("overrides", [
    (IDEAL, "noise.effects.programming.independent=0.1"),
    (PAIRS, "crossbar.adc_bits=4", "noise.full_scale=array", "noise.effects.programming.proportional=0.1")])
def test_sums_are_those_of_the_plain_executor_on_the_same_draw(overrides: tuple[str, ...]) -> None:
    network, devices, images = made(*overrides)
    before = inputs(network, images)
    with torch.no_grad(), devices.at_work():
        for node, layer in zip(network.compute_nodes(), (la for la in layers(network) if la.compute), strict=True):
            found = node.sums(before[layer.name])
            machine = devices.setup.machine.of(layer.name)
            blocks = devices.setup.path.pack(layer, machine.geometry)
            x = np.concatenate([unroll(image.reshape(layer.in_shape), layer) for image in
                                (before[layer.name] / node.source()).round().to(torch.int64).numpy()])
            device = machine.imperfect.device(layer.name, devices.draw)
            right = run(blocks, layer, machine.geometry, x, device, machine.sensing)
            step = float((node.levels.step(node.weight) * node.source()).detach())
            real = found.transpose(0, 1).reshape(layer.filters, -1).numpy().T / step
            assert (np.abs(real - right) < 0.01 + 1e-4 * np.abs(right)).mean() > 0.999  # a tie may fall otherwise
            assert np.abs(real - reference(layer, x)).max() > 0.5  # the draw does something


def test_gradients_are_those_of_exact_products_where_converters_round() -> None:
    network, devices, images = made(PAIRS, "crossbar.adc_bits=4", "noise.full_scale=array")
    node = network.compute_nodes()[1]
    x = inputs(network, images)[node.layer.name].requires_grad_()
    found = []
    for at_work in (False, True):
        node.weight.grad = x.grad = None
        if at_work:
            with devices.at_work():
                node.sums(x).sum().backward()
        else:
            node.sums(x).sum().backward()
        found.append((node.weight.grad.clone(), x.grad.clone()))
    torch.testing.assert_close(found[1], found[0])


def test_inputs_get_the_gradient_of_the_weights_that_devices_hold() -> None:
    network, devices, images = made(PAIRS, IDEAL, "noise.effects.programming.independent=0.1")
    node = network.compute_nodes()[-1]
    x = inputs(network, images)[node.layer.name].requires_grad_()
    with devices.at_work():
        y = node.sums(x)
        y[:, 0].sum().backward()
    held = x.grad[0]
    assert torch.allclose(x.grad, held.expand_as(x.grad))  # linear: the same of every image
    torch.testing.assert_close((x.detach() * held).flatten(1).sum(1), y.detach()[:, 0], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(held.flatten(), node.quantized()[0].flatten(), atol=1e-3)


def test_statistics_that_are_kept_are_those_of_evaluation() -> None:
    """In training, with its statistics kept, a network computes what it computes in evaluation, and keeps them."""
    network, devices, images = made(PAIRS, IDEAL)
    before = {k: v.clone() for k, v in network.state_dict().items() if "running" in k}
    with torch.no_grad(), devices.at_work():
        right = network(images)
        network.train()
        assert not torch.allclose(network(images), right, atol=1e-2)  # statistics of the batch
        network.load_state_dict(before, strict=False)
        network.keep_statistics()
        torch.testing.assert_close(network(images), right)
    assert before and all(torch.equal(network.state_dict()[k], v) for k, v in before.items())


def test_weights_vary_as_the_law_says() -> None:
    """Pairs of two 2-bit cells: an error of 5 % of Gmax in each, which at level 0 is cut off at zero."""
    network, devices, _ = made(PAIRS, IDEAL, "noise.effects.programming.independent=0.05")
    node = network.compute_nodes()[-1]
    levels, _ = node.levels.integers(node.weight * node.mask)
    eye = torch.eye(levels.shape[1]) * float(node.source().detach())
    draws, step = [], float((node.levels.step(node.weight) * node.source()).detach())
    with torch.no_grad(), devices.at_work():
        for _ in range(60):
            devices.draw += 1
            draws.append(node.sums(eye).numpy().T / step)
    free, cut = (3 * 0.05) ** 2, (3 * 0.05) ** 2 * (0.5 - 1 / (2 * np.pi))
    digits = np.abs(levels.numpy().astype(int))
    variance = sum(place ** 2 * (np.where(digits // place % 4 > 0, free, cut) + cut) for place in (1, 4))
    assert np.var(draws, axis=0, ddof=1).mean() == pytest.approx(variance.mean(), rel=0.03)


def test_calibrated_ranges_are_those_of_the_present_weights() -> None:
    """In training those of every batch; otherwise those of the first batch after they were last asked for."""
    network, devices, images = made("crossbar.adc_bits=6", "noise.full_scale=calibrated",
                                    "noise.calibration.per=column", "noise.calibration.lower_end=calibrated")
    node = network.compute_nodes()[0]

    def passed(learns: bool) -> list[tuple[float, ...]]:
        with torch.set_grad_enabled(learns):
            network(images)
        return [(*each.low, *each.high) for each in devices.ranges[node.layer.name].values()]

    def turned() -> None:
        with torch.no_grad():
            node.weight.neg_()

    with devices.at_work():
        first = passed(learns=False)
        turned()
        assert passed(learns=False) == first
        other = passed(learns=True)
        assert other != first
        turned()
        devices.calibrate()
        assert passed(learns=False) == first


@pytest.mark.full
def test_an_interrupted_adaptation_ends_with_the_same_bytes(tmp_path, monkeypatch) -> None:
    from xbarch.compress.training.trainer import Trainer

    source = tmp_path / "small.yaml"
    source.write_text(json.dumps(recipe(PAIRS, IDEAL, "noise.effects.programming.independent=0.1").model_dump(
        mode="json", exclude_none=True) | {"crossbar_images": 0, "stored_images": 1}))
    whole = xbarch.train(source, out=tmp_path / "whole", cache=tmp_path / "one")
    epoch = Trainer.epoch

    def interrupted(self, phase, number, *rest):
        if phase.name == "adaptation" and number == 2:
            raise KeyboardInterrupt
        return epoch(self, phase, number, *rest)

    monkeypatch.setattr(Trainer, "epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        xbarch.train(source, out=tmp_path / "parts", cache=tmp_path / "two")
    monkeypatch.setattr(Trainer, "epoch", epoch)
    parts = xbarch.train(source, out=tmp_path / "parts", cache=tmp_path / "two")
    assert (whole / "tensors.safetensors").read_bytes() == (parts / "tensors.safetensors").read_bytes()
    manifest = json.loads(next(parts.glob("*.json")).read_text())
    assert {"baseline", "adaptation", "devices"} <= set(manifest["accuracy"])


@pytest.mark.quick(2)
@pytest.mark.parametrize(("overrides", "more", "field", "says"), [
    ((), {}, "adaptation.overrides", "must have noise"),
    ((IDEAL,), {"quantization": {"chain": "power_of_two"}}, "quantization.chain", "must be real"),
    (("noise.effects.rust.share=1",), {}, "", "unknown effect 'rust'"),
    (("crossbar.adc_bits=99",), {}, "", "crossbar.adc_bits"),
])
def test_refusals(overrides: tuple[str, ...], more: dict[str, object], field: str, says: str) -> None:
    asked = recipe(*overrides, **more)
    network = Network(trace_model(models.build("vgg7", 10, 4, 0), (3, 32, 32)), asked.quantization)
    with pytest.raises(InputError) as refused:
        Devices.of(network, asked, torch.rand(1, 3, 32, 32))
    assert says in str(refused.value) and (refused.value.field or "").startswith(field)


def test_learned_full_scales_get_the_gradient_of_every_code() -> None:
    """Where no code saturates the full scale times its slope is the error of rounding: sums of other codes would be
    the exact ones at every full scale."""
    network, devices, images = made(PAIRS, "crossbar.adc_bits=4", "noise.full_scale=stored")
    before = inputs(network, images)
    node = network.compute_nodes()[1]
    with devices.at_work():
        assert node.scales is not None
        node.scales.begin({0: 384, 2: 384})
        with torch.no_grad():
            node.weight.mul_(3)  # so that the higher digits are used
        y = node.sums(before[node.layer.name])
        y[0].sum().backward()
    expected = float((y - node.products(before[node.layer.name], node.quantized()))[0].sum().detach())
    grad = node.scales.logarithms.grad
    assert float(grad.sum()) * y[0].numel() ** 0.5 == pytest.approx(expected, rel=1e-3) and abs(expected) > 0.1
    assert grad.nonzero().flatten().tolist() == [0, 2]


@pytest.mark.full
def test_the_machine_uses_the_full_scales_that_training_learned(tmp_path) -> None:
    asked = recipe(PAIRS, "crossbar.adc_bits=5", "noise.full_scale=stored")
    source = tmp_path / "small.yaml"
    source.write_text(json.dumps(asked.model_dump(mode="json", exclude_none=True) | {"crossbar_images": 0}))
    folder = xbarch.train(source, out=tmp_path / "out", cache=tmp_path / "cache")
    found = load(folder)
    assert all(sum(map(bool, la.full_scales)) == 2 for la in found.compute_layers)
    as_trained = ["crossbar.adc_bits=5", PAIRS, "noise.full_scale=stored"]
    assert xbarch.accuracy("isaac_like", found, images=64, overrides=as_trained).devices is not None
    with pytest.raises(InputError, match="learned full scales"):
        xbarch.accuracy("isaac_like", "digit_pairs/vgg7_segprune_4x", images=8, overrides=as_trained)


@pytest.mark.full
def test_a_start_computes_what_the_stored_workload_does(tmp_path) -> None:
    """The integers come back as they were, scores to within rounding; training then goes on from them."""
    first = recipe(PAIRS, IDEAL, "noise.effects.programming.independent=0.05")
    first = first.model_copy(update={"adaptation": None, "crossbar_images": 0})
    whole = first.model_dump(mode="json", exclude_none=True)
    (tmp_path / "small.yaml").write_text(json.dumps(whole))
    folder = xbarch.train(tmp_path / "small.yaml", out=tmp_path / "small", cache=tmp_path / "cache")
    again = recipe(PAIRS, IDEAL, "noise.effects.programming.independent=0.05", baseline=None, start=str(folder))
    parts, stored = data.load(again.data, 0), load(folder)
    network = build(again, parts)
    taken = {la.name: la for la in layers(network)}
    for la in stored.compute_layers:
        assert np.array_equal(la.matrix, taken[la.name].matrix)
        np.testing.assert_allclose(taken[la.name].scale, la.scale, rtol=1e-4)
        np.testing.assert_allclose(taken[la.name].bias, la.bias, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("more", "says"), [
    ({"start": "digit_pairs/vgg7_dense_longer"}, "must be left out where start"),
    ({"start": "digit_pairs/vgg7_dense_longer", "baseline": None, "checkpoint": "a.pt"}, "no checkpoint"),
    ({"baseline": None}, "must be given, or start")])
def test_a_recipe_starts_once(more: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        recipe(IDEAL, **more)


def test_a_start_is_a_workload_of_the_same_model() -> None:
    asked = recipe(PAIRS, IDEAL, baseline=None, start="digit_pairs/vgg7_dense_longer")
    with pytest.raises(InputError, match="differs from that of vgg7_dense_longer") as found:
        build(asked, data.load(asked.data, 0))
    assert found.value.field == "start"
