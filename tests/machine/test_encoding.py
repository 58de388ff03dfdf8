"""An architecture that names its data path: for workloads that choose none, or for all."""

import pytest

import xbarch
from xbarch.choice import choose_datapath
from xbarch.cli.catalog import tree
from xbarch.errors import InputError
from xbarch.machine.build import buildable
from xbarch.request import Contents, Request
from xbarch.specs.architecture import Architecture
from xbarch.specs.chip import Encoding
from xbarch.specs.load import load
from xbarch.workload.graph import Layer, Workload

DIFFERENTIAL = Encoding(name="dense", options={"sign": "differential"})
SEGPRUNE = Encoding(name="segprune")
LENET = "{kind: synthetic, network: lenet5, weight_bits: 4, input_bits: 4, description: a test}\n"
NAMED = "extends: isaac_like\nname: named\ndatapath: {name: dense, options: {sign: differential}, required: REQUIRED}\n"


def stored(datapath="dense", **options):
    shape = (1, 4, 4)
    return Workload(name="one", datapath=datapath, options=options, layers=(
        Layer(name="input", op="input", inputs=(), in_shape=shape, out_shape=shape, output_bits=4),))


def required(wanted):
    return wanted.model_copy(update={"required": True})


@pytest.mark.parametrize(("network", "asked", "options", "wanted", "runs"), [
    (stored(), None, {}, None, ("dense", "offset")),
    (stored(), None, {}, DIFFERENTIAL, ("dense", "differential")),
    (stored(sign="offset"), None, {}, DIFFERENTIAL, ("dense", "offset")),  # it chose
    (stored(sign="offset"), None, {}, required(DIFFERENTIAL), ("dense", "differential")),
    (stored(), None, {"sign": "offset"}, DIFFERENTIAL, ("dense", "offset")),
    (stored(), "segprune", {}, DIFFERENTIAL, ("segprune", "")),
    (stored("meng"), None, {}, DIFFERENTIAL, ("meng", "")),
    (stored("meng"), None, {}, required(DIFFERENTIAL), ("dense", "differential")),
    (stored("meng"), "dense", {}, DIFFERENTIAL, ("dense", "differential")),
    (stored(), None, {}, SEGPRUNE, ("segprune", "")),
    (stored(), "dense", {}, SEGPRUNE, ("dense", "offset")),
])
def test_who_chooses(network, asked, options, wanted, runs):
    path = choose_datapath(network, asked, options, wanted)
    name, sign = runs
    assert path.name == name and (not sign or path.options.sign == sign)


@pytest.mark.parametrize(("asked", "options", "says"), [
    ("segprune", {}, "datapath: must be dense, which the architecture requires, not 'segprune'; leave it out"),
    (None, {"sign": "offset"}, "options.sign: must be differential, as the architecture requires, not 'offset'"),
])
def test_what_is_required_cannot_be_changed(asked, options, says):
    with pytest.raises(InputError) as error:
        choose_datapath(stored(), asked, options, required(DIFFERENTIAL))
    assert str(error.value) == says


@pytest.fixture
def files(tmp_path):
    (tmp_path / "lenet.yaml").write_text(LENET)
    for name in ("false", "true"):
        (tmp_path / f"{name}.yaml").write_text(NAMED.replace("REQUIRED", name))
    return tmp_path


def test_a_digest_knows_it(files):
    """A request that names no data path and one that names the same one are one run."""
    contents = Contents()
    plain, asked = (Request(arch=files / "false.yaml", workload=files / "lenet.yaml", datapath=path)
                    for path in (None, "dense"))
    assert contents.run(plain) == contents.run(asked)
    assert contents.run(plain)["options"]["sign"] == "differential"
    assert contents.run(plain.changed(arch="isaac_like"))["options"]["sign"] != "differential"


@pytest.mark.full
def test_a_run_is_that_of_the_data_path(files):
    run = xbarch.simulate(files / "true.yaml", files / "lenet.yaml", images=1)
    same = xbarch.simulate("isaac_like", files / "lenet.yaml", images=1, datapath="dense",
                           options={"sign": "differential"})
    other = xbarch.simulate("isaac_like", files / "lenet.yaml", images=1)
    assert run["energy"] == same["energy"] != other["energy"]
    assert run["datapath"] | {"chosen": {}} == same["datapath"] | {"chosen": {}} and not run["datapath"]["chosen"]
    with pytest.raises(InputError, match="datapath: must be dense, which the architecture requires, not 'segprune'"):
        xbarch.simulate(files / "true.yaml", files / "lenet.yaml", datapath="segprune")


@pytest.mark.parametrize(("text", "says"), [
    ("{name: dens}", "x.yaml:2: datapath.name: unknown data path 'dens'; choose "),
    ("{name: dense, options: {sgn: offset}}", "x.yaml:2: datapath.options.sgn: unknown key 'sgn'"),
    ("{name: dense, required: 1}", "x.yaml:2: datapath.required: must be true or false, not 1"),
    ("dense", "x.yaml:2: datapath: must be a mapping (key: value lines), not 'dense'"),
])
def test_a_wrong_name_is_placed(tmp_path, text, says):
    file = tmp_path / "x.yaml"
    file.write_text(f"extends: isaac_like\ndatapath: {text}\n")
    for call in (lambda: load(file, Architecture, check=buildable), lambda: xbarch.simulate(file, "vgg7_pruned")):
        with pytest.raises(InputError) as error:
            call()
        assert says in str(error.value)


def test_show_says_so(files):
    assert tree(str(files / "true.yaml"))["datapath"] == {
        "name": "dense", "options": {"sign": "differential"}, "required": True}
