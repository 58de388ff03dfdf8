"""A model on its way through import, checked at every step by something that knows nothing of the step before."""

import copy
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from xbarch.compress.importing.calibrate import Rule, calibrate
from xbarch.compress.importing.weights import round_weights
from xbarch.compress.intake.equal import answers
from xbarch.compress.intake.trace import trace_model
from xbarch.compress.quantizers.network import Network
from xbarch.compress.training import export
from xbarch.datapaths.base import Geometry
from xbarch.datapaths.dense import Dense
from xbarch.functional.execute import verify
from xbarch.functional.fast import Prepared
from xbarch.specs.recipe import Quantization
from xbarch.workload import batch
from xbarch.workload.infer import infer

SIZE = (3, 8, 8)


class Model(nn.Module):
    """A forward function over a list of modules."""

    def __init__(self, do, *modules):
        super().__init__()
        self.m, self.do = nn.ModuleList(modules), do

    def forward(self, x):
        return self.do(self.m, x)


def made(do, *modules, seed=0):
    """The model with random weights and statistics, so that no order of operations can hide."""
    torch.manual_seed(seed)
    model = Model(do, *copy.deepcopy(modules)).eval()  # cases are made once, and what is trained here stays here
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
        if getattr(module, "running_var", None) is not None:
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d | nn.GroupNorm | nn.LayerNorm | nn.InstanceNorm2d) \
                and module.weight is not None:
            module.weight.data.normal_()
            module.bias.data.normal_()
    return model


def quantized(model, shape=SIZE, images=None, bits=8):
    """Graph, network and workload of a model, calibrated on random images."""
    graph = trace_model(model, shape)
    spec = Quantization(weight_bits=bits, activation_bits=bits, branch_bits=bits, weight_scale="lsq")
    network = Network(graph, spec)
    round_weights(network)
    images = torch.rand(4, *shape, generator=torch.Generator().manual_seed(1)) if images is None else images
    calibrate(network, images, Rule())
    workload = export.workload("net", network.eval(), images[:2], datapath="dense", trained_on="random images")
    return SimpleNamespace(graph=graph, network=network, workload=workload, images=images)


def check_integers(model, shape=SIZE, error=0.1, bits=8, geometry=None):
    """The stored integers compute, but for rounding, what the model does; one image at a time or many at once, by
    matrix products or on crossbars, they compute the same levels."""
    done = quantized(model, shape, bits=bits)
    workload, images = done.workload, done.images
    pixels = np.rint(images.numpy() * 255).astype(np.int64)
    values = [infer(workload, image) for image in pixels]
    single = np.concatenate([np.stack([np.asarray(found[out.layer], float).ravel() for found in values]) * out.step
                             for out in workload.returned], axis=1)
    many = batch.scores(workload, pixels, batch.products)
    assert np.array_equal(single, many)
    geometry = geometry or Geometry(64, 64, 2, adc_bits=12)
    prepared = {la.name: Prepared.of(Dense().pack(la, geometry), la, geometry) for la in workload.compute_layers}
    crossbars = batch.scores(workload, pixels, lambda layer, maps: prepared[layer.name].sums(maps))
    assert np.array_equal(crossbars, many)
    for row in verify(workload, geometry, lambda layer: Dense().pack(layer, geometry)):
        assert row["mismatches"] == row["clips"] == 0, row
    with torch.no_grad():
        wanted = answers(model, images)
    got = batch.outputs(workload, pixels, batch.products)
    assert [y.shape for y in got] == [tuple(y.shape) for y in wanted]
    for ours, its in zip(got, wanted, strict=True):
        assert np.abs(ours - its.numpy()).max() <= error * float(its.max() - its.min())
    return done
