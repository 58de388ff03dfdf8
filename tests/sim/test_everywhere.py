"""The two engines on what ships: every architecture with every workload and every data path."""

import pytest
from test_fast import outcome

from xbarch.errors import InputError
from xbarch.plugins import registry
from xbarch.run import execute
from xbarch.sim import engine, fast
from xbarch.specs.grid import Grid, members
from xbarch.specs.load import document, validate
from xbarch.support import bundled

ARCHITECTURES = bundled.names("architectures")
SMALL = "vgg7_pruned"


def workloads():
    """Stored ones, of grids too, and recipes of synthetic networks for small images."""
    found = []
    for name in bundled.names("workloads"):
        place = bundled.folder("workloads") / name
        if (place / "manifest.json").is_file():
            found.append(name)
        elif place.is_dir():
            grid = document(name, kind="workloads")
            found += [f"{name}/{member}" for member in members(validate(grid, Grid), grid)
                      if (place / member / "manifest.json").is_file()]
    return found


def equal(architecture, workload, images=1, **more):
    """Whether a run there is the same run on both engines; None where it is refused."""
    try:
        graph = execute(architecture, workload, images=images, engine="fast", **more).graph
    except InputError:
        return None
    return outcome(fast.run, graph) == outcome(engine.run, graph)


@pytest.mark.quick(4)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture(architecture):
    assert equal(architecture, SMALL, images=3, policy="crossbars:3")


@pytest.mark.quick(8)
@pytest.mark.parametrize("architecture, path", [
    pytest.param(architecture, path, marks=pytest.mark.long if (number + machine) % 3 else ())
    for number, path in enumerate(registry.datapaths()) for machine, architecture in enumerate(ARCHITECTURES)])
def test_every_data_path(architecture, path):
    assert equal(architecture, SMALL, datapath=path) is not False


def tier(number, machine):
    """Marks of a workload on an architecture: each runs on one, in turn, and some of these in the quick tier."""
    if (machine - number) % len(ARCHITECTURES):
        return pytest.mark.long
    return pytest.mark.full if number % 5 else ()


@pytest.mark.quick(4)
@pytest.mark.parametrize("architecture, workload", [
    pytest.param(architecture, workload, marks=tier(number, machine))
    for number, workload in enumerate(workloads()) for machine, architecture in enumerate(ARCHITECTURES)])
def test_every_workload(architecture, workload):
    assert equal(architecture, workload) is not False


@pytest.mark.long
def test_most_of_it_runs():
    """Refusals are not what the tests above are made of."""
    ran = [equal(architecture, SMALL, datapath=path) for architecture in ARCHITECTURES for path in registry.datapaths()]
    assert sum(found is not None for found in ran) > len(ran) / 2
