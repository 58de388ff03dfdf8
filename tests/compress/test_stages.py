"""Filters and kernels of ResNet-20's stages: the network that trains is the one with random weights."""

import pytest
from pydantic import ValidationError

from xbarch.compress.recipes import resolve
from xbarch.specs.recipe import Recipe
from xbarch.workload.networks import cifar_resnet

BASE = {"kind": "trained", "model": "resnet20", "data": {"name": "digits"}, "baseline": {"epochs": 1, "rate": 0.1}}


@pytest.mark.train
@pytest.mark.parametrize(("filters", "kernels"), [
    ({}, {}), ({"layer1": 4, "layer2": 8, "layer3": 16}, {"layer3": 1}), ({"layer3": 48}, {"layer1": 5, "layer2": 1})])
def test_layers_are_those_of_the_synthetic_network(filters, kernels):
    from xbarch.compress.intake import models
    from xbarch.compress.intake.trace import trace_model

    made = trace_model(models.build("resnet20", 10, None, 0, (32, 32), {"filters": filters, "kernels": kernels}),
                       (3, 32, 32))
    there = cifar_resnet(3, filters, kernels).layers
    assert [(la.kernel, la.rows, la.filters, la.out_shape) for la in made.layers if la.compute] == [
        (la.kernel, la.rows, la.filters, la.out_shape) for la in there if la.compute]


@pytest.mark.parametrize(("fields", "says"), [
    ({"filters": {"layer1": 64}}, "no stage may have fewer than the one before it, not 64, 32, 64"),
    ({"kernels": {"layer2": 4}}, "kernels: must be odd and at most 15, not 4"),
    ({"kernels": {"layer4": 3}}, "has the stages layer1, layer2, layer3, not 'layer4'"),
    ({"model": "vgg7", "kernels": {"layer1": 3}}, "kernels: is for resnet20, not vgg7"),
    ({"width": 8, "filters": {"layer1": 8}}, "width: must not be given with filters")])
def test_other_stages_are_refused(fields, says):
    with pytest.raises(ValidationError, match=says):
        Recipe.model_validate({**BASE, **fields})


def test_recipes_without_stages_are_what_they_were():
    assert not {"filters", "kernels"} & set(Recipe.model_validate(BASE).model_dump())


def test_the_search_asks_for_every_network_of_the_grid():
    from xbarch.specs.load import document

    names = [f"blocks/{job.name}" for job in resolve("blocks")]
    assert document("blocks_search", kind="studies").data["workloads"] == names
