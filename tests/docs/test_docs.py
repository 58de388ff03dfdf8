"""The documents are true: their blocks run, and the reference names everything there is."""

import ast
import importlib.util
import json
import os
import re
import stat
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args
from urllib.parse import unquote

import pytest
import typer.main
from pydantic import BaseModel

import xbarch
from xbarch import errors
from xbarch.cli.app import app
from xbarch.datapaths.base import Geometry
from xbarch.machine.payers import BY_VALUE, GLOBAL_BUFFER, elsewhere
from xbarch.mapping.plan import POLICIES
from xbarch.plugins.registry import datapaths
from xbarch.result.result import Result
from xbarch.result.schema import Accuracy, Measured
from xbarch.sim.modes import MODES
from xbarch.specs.architecture import Architecture
from xbarch.specs.pipeline import SPLIT
from xbarch.specs.recipe import Recipe
from xbarch.specs.search import Search
from xbarch.specs.sweep import FIGURES, Sweep
from xbarch.studies.artifact.manifest import Bundle
from xbarch.support import cache
from xbarch.workload.networks import NETWORKS
from xbarch.workload.store import Manifest
from xbarch.workload.zoo import SyntheticRecipe

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
REFERENCE = (DOCS / "reference.md").read_text(encoding="utf-8")
RUN = ["index.md", "tutorial.md", *(f"howto/{page}.md" for page in (
    "paper", "model", "datapath", "architecture", "process", "import", "train", "sweep", "search", "cluster", "share")),
    "toolbox.md", "contract.md"]
TRAIN = ("tutorial.md", "howto/paper.md", "howto/model.md", "howto/import.md", "howto/train.md")
FENCE = re.compile(r"^```(?P<kind>\S*) *(?P<language>\S*)\n(?P<body>.*?)^```$", re.M | re.S)
CAPTION = re.compile(r"\A:caption: (\S+)\n\n")


def blocks(page):
    """(kind, body) of every fenced block; kind is bash, python, text or file:NAME."""
    for found in FENCE.finditer((DOCS / page).read_text(encoding="utf-8")):
        body = found["body"]
        if named := CAPTION.match(body):
            yield "file:" + named[1].replace("\\", ""), body[named.end():]
        elif found["kind"] in ("bash", "python", "text"):
            yield found["kind"], body


@pytest.fixture
def shell(tmp_path):
    """Runs bash or Python in an empty folder, where `xbarch`, `python`, `pytest` and `pip` are those of this
    interpreter, with a cache as users have one; pip installs into a folder of its own, which all of them see, and
    fetches nothing."""
    programs, work, site = tmp_path / "bin", tmp_path / "work", tmp_path / "site"
    programs.mkdir()
    work.mkdir()
    own = f' --no-deps --no-build-isolation --no-index --disable-pip-version-check --target "{site}"'
    for name, before, after in (("xbarch", "-m xbarch", ""), ("python", "", ""), ("pytest", "-m pytest", ""),
                                ("pip", "-m pip", own)):
        script = programs / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {before} "$@"{after}\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    places = [str(ROOT), str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(places),
                   "XBARCH_CACHE": str(tmp_path / "cache"), cache.VARIABLE: "500", "OMP_NUM_THREADS": "1",
                   "PYTHONUTF8": "1"}

    def run(kind, body):
        command = ["bash", "-euo", "pipefail", "-c", body] if kind == "bash" else [sys.executable, "-c", body]
        done = subprocess.run(command, cwd=work, env=environment, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=300, check=False)
        assert done.returncode == 0, f"{body}\n{done.stdout}"
        return done.stdout

    run.folder, run.site = work, site
    return run


def statements(source):
    """Statements that do something: no imports, names and texts."""
    plain = (ast.Import, ast.ImportFrom, ast.AnnAssign)
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt) and not isinstance(node, plain)
            and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]


def tier(page):
    """One page that takes seconds is in the quick tier."""
    marks = [] if page == "howto/process.md" else [pytest.mark.full]
    return pytest.param(page, marks=[*marks, pytest.mark.train] if page in TRAIN else marks)


@pytest.mark.full
@pytest.mark.parametrize("page", [tier(page) for page in RUN])
def test_every_block_runs(page, shell):
    """In order, in one folder; each line of a text block is in the output of the block before it."""
    said, ran = "", 0
    for kind, body in blocks(page):
        if kind == "text":
            for line in body.splitlines():
                assert line in said, f"{line!r} is not in\n{said}"
        elif kind.startswith("file:"):
            (shell.folder / kind[5:]).write_text(body, encoding="utf-8")
        else:
            said, ran = shell(kind, body), ran + 1
    assert ran
    for kind, body in blocks(page):
        for name in re.findall(r"--out (\S+)", body) if kind == "bash" else []:
            assert (shell.folder / name).exists()


def test_the_readmes_python_runs_after_its_first_command(shell):
    """The light installation has none of the packages of the extras."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [body] = [found["body"] for found in FENCE.finditer(readme) if found["kind"] == "python"]
    light = "import sys\nsys.modules.update(dict.fromkeys(['torch', 'sklearn', 'scipy', 'pandas']))\n"
    assert re.fullmatch(r"[\d.]+ \d+\n", shell("python", light + body))


def test_the_readmes_test_command_is_the_one_that_ci_runs():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    between = readme.partition("<!-- test -->")[2].partition("<!-- /test -->")[0]
    [command] = [found["body"] for found in FENCE.finditer(between)]
    assert command.count("\n") == 1 and "'.[dev]'" in command and command.rstrip().endswith("pytest -n 2")
    assert "README.md" in (ROOT / ".ci/run").read_text(encoding="utf-8")


@pytest.mark.full
def test_wrong_documents_fail(shell):
    """The checks themselves: a failing command is seen, and only blocks meant to run are run."""
    with pytest.raises(AssertionError):
        shell("bash", "xbarch show nothing | cat\n")
    with pytest.raises(AssertionError):
        shell("python", "raise SystemExit(1)")
    assert [kind for kind, _ in blocks("howto/datapath.md")][:3] == ["bash", "text", "file:one_by_n/one_by_n.py"]


@pytest.mark.full
def test_the_data_path_of_the_page_is_an_outside_package(shell):
    """Installed by pip from the folder that `xbarch new` wrote, the folder then gone: registered like xbarch's own,
    exact, and its own tests pass. Its code is the page's, of some thirty lines."""
    page = dict(blocks("howto/datapath.md"))["file:one_by_n/one_by_n.py"]
    shell("bash", "xbarch new datapath one_by_n\n")
    (shell.folder / "one_by_n/one_by_n.py").write_text(page, encoding="utf-8")
    said = shell("bash", "pip install ./one_by_n\n").replace("-", "_")  # how pip spells a name is its own affair
    assert "uccessfully installed one_by_n_0.1.0" in said
    shell("bash", "mv one_by_n/tests . && rm -r one_by_n\n")
    assert sorted(p.name for p in shell.site.glob("*.py")) == ["one_by_n.py"]
    known = json.loads(shell("bash", "xbarch list --json\n"))["datapaths"]
    assert {"dense", "one_by_n"} <= {entry["name"] for entry in known}
    rows = json.loads(shell("bash", "xbarch verify -a isaac_like -w vgg7_pruned --datapath one_by_n --json\n"))
    assert rows and all(row["mismatches"] == 0 for row in rows)
    assert "4 passed" in shell("bash", "pytest tests\n")
    assert len(statements(page)) <= 35


@pytest.mark.full
def test_the_architecture_of_the_page_is_an_outside_package(shell):
    """YAML, sensing unit and data path installed by pip from the folder the page writes, which is then gone: all three
    are known by name and whose they are, and run together."""
    for kind, body in blocks("howto/architecture.md"):
        if kind.startswith("file:"):
            (shell.folder / kind[5:]).parent.mkdir(parents=True, exist_ok=True)
            (shell.folder / kind[5:]).write_text(body, encoding="utf-8")
    [change] = [body.splitlines()[0] for kind, body in blocks("howto/architecture.md") if "pip install" in body]
    shell("bash", f"{change}\npip install ./pebble\nrm -r pebble\n")
    assert sorted(p.name for p in (shell.site / "pebble").iterdir() if p.is_file()) == ["__init__.py", "pebble.yaml"]
    known = json.loads(shell("bash", "xbarch list --json\n"))
    for kind, name in (("architectures", "pebble"), ("sensing", "ramp"), ("datapaths", "resting")):
        [entry] = [e for e in known[kind] if e["name"] == name]
        assert entry["from"] == "package pebble 0.1.0" and entry["source"]
    shown = json.loads(shell("bash", "xbarch show pebble --json\n"))
    assert (shown["kind"], shown["name"], shown["from"]) == ("architecture", "pebble", "package pebble 0.1.0")
    assert "package pebble 0.1.0" in shell("bash", "xbarch show resting\n")
    rows = json.loads(shell("bash", "xbarch verify -a pebble -w vgg7_pruned --datapath resting --json\n"))
    assert rows and all(row["mismatches"] == 0 for row in rows)
    result = json.loads(shell("bash", "xbarch simulate -a pebble -w vgg7_pruned --datapath resting --images 1 "
                                      "--json\n"))
    assert result["architecture"]["name"] == "pebble" and "sample" not in result["counts"]["actions"]
    dense = json.loads(shell("bash", "xbarch simulate -a pebble -w vgg7_pruned --datapath dense --images 1 --json\n"))
    assert result["counts"]["conversions"] < dense["counts"]["conversions"]


# -- the reference --------------------------------------------------------------------------------------------

def section(title):
    """The part of the reference under a heading of two hashes."""
    parts = re.split(r"^## ", REFERENCE, flags=re.M)
    return next(p for p in parts if p.startswith(title + "\n"))


def rows(text):
    """Names in code style in the first cells of the tables of `text`."""
    found = []
    for line in text.splitlines():
        if line.startswith("| `"):
            found += re.findall(r"`([^`]+)`", line.split(" | ")[0])
    return found


OPEN = {"datapath.options", "workload.accuracy", "workload.tested", "energy.by_component_aj", "energy.by_layer_aj",
        "energy.static_aj", "architecture.unscaled_prices",
        *(f"energy.{table}.{scope}" for table in ("by_scope_aj", "layers_by_scope_aj")
          for scope in ("compute", "chip", "whole")), "waiting.by_kind_ps", "layer_time[].held_ps",
        "layer_time[].waited_ps", "area.by_component_mm2", "counts.actions", "programming.by_part_aj"}


def paths(value, at=""):
    """Key paths of a document: [] for list items, <name> below the maps whose keys depend on the run."""
    if at == "provenance.request":  # of any shape below
        yield f"{at}.<name>"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, f"{at}.<name>" if at in OPEN else f"{at}.{key}".lstrip("."))
    elif isinstance(value, list):
        assert value, at
        for inner in value:
            yield from paths(inner, f"{at}[]")
    else:
        yield at


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    recipe = tmp_path_factory.mktemp("lenet") / "lenet.yaml"
    recipe.write_text("{kind: synthetic, network: lenet5, weight_bits: 4, input_bits: 4, "
                      "pruning: {method: meng, sparsity: 0.5}}\n")
    return xbarch.simulate("isaac_like", recipe, images=2, batch=50, overrides=["hierarchy.tiles=160"])


def test_result_fields_are_documented_and_exist(result):
    named = rows((DOCS / "result.md").read_text(encoding="utf-8"))
    measured = Measured(value=0.5, images=2, interval_95=[0.1, 0.9], integer_network=0.5,
                        measure="mse", share=False, larger=False)  # random weights have none
    data = Result(result.record.model_copy(update={"accuracy": Accuracy(on_this_machine=measured)})).data
    real = set(paths(dict(data)))
    assert sorted(real - set(named)) == []
    assert sorted(n for n in set(named) - real if not n.startswith(("segments[].", "kinds[]."))) == [
        "architecture.periphery.factors.<name>", "architecture.processes.<name>",
        "architecture.unscaled_prices.<name>", "correctness.noise", "datapath.chosen.<name>", "mapping.layers[].kind",
        "workload.accuracy.<name>", "workload.measure",
        "workload.tested.<name>"]  # random weights, and nothing beside was asked for
    assert len(named) == len(set(named))


def test_actions_are_documented(result):
    """Those of the machine, whatever the workload, and of every data path's own hardware with all switches on."""
    switched = [path({k: True for k, f in path.Options.model_fields.items() if f.annotation is bool})
                for path in datapaths().values()]
    units = Geometry(128, 128, 2, ou_rows=16, ou_columns=128)
    own = {added.action for path in switched for added in path.components(units)}
    machine = {c.action for c in xbarch_architecture().components.values()} - {None}
    assert {"demux", "gather", "skip"} <= own
    named = set(rows(section("Results").partition("### Actions")[2]))
    asked = {*GLOBAL_BUFFER, *BY_VALUE, *SPLIT.values()}  # by some machines
    assert named == set(result["counts.actions"]) | own | machine | asked
    assert own <= elsewhere(xbarch_architecture()).keys()


def test_formulas_of_the_reference_hold(result):
    """Definitions with a closed form, recomputed from other fields."""
    r = result
    interval = r["latency.pipeline_interval_ps"] / 1e12
    layers = r["mapping.layers"]
    for m in layers:
        assert m["busy"] == pytest.approx(m["occupancy_ps"] * m["windows"] / m["copies"] / interval / 1e12)
    assert r["throughput.images_per_second"] == pytest.approx(1 / interval)
    assert r["mapping.crossbars"] == sum(m["crossbars"] * m["copies"] for m in layers)
    assert r["mapping.one_copy_crossbars"] == sum(m["crossbars"] for m in layers)
    work = sum(m["crossbars"] * m["occupancy_ps"] * m["windows"] for m in layers)
    assert r["mapping.window_weighted_ps"] == pytest.approx(work)
    assert r["mapping.interval_bound_ps"] == pytest.approx(work / r["mapping.budget"])
    assert r["energy.per_image_aj"] == r["energy.scopes_aj.whole"] == sum(r["energy.by_component_aj"].values())
    assert r["energy.dynamic_aj"] == sum(r["energy.by_layer_aj"].values()) == r["energy.scopes_aj.chip"]
    assert r["energy.scopes_aj.whole"] - r["energy.scopes_aj.chip"] == sum(r["energy.static_aj"].values())
    assert r["area.total_mm2"] == pytest.approx(sum(r["area.by_component_mm2"].values()))
    joules = r["energy.per_image_aj"] / 1e18
    assert r["power.average_w"] == pytest.approx(joules / interval)
    for part, macs in (("effective", "counts.kept_macs"), ("dense_equivalent", "counts.macs")):
        assert r[f"{part}.tops"] == pytest.approx(2 * r[macs] / interval / 1e12)
        for scope in ("compute", "chip", "whole"):
            assert r[f"{part}.tops_per_w_by_scope"][scope] == pytest.approx(
                2 * r[macs] / (r["energy.scopes_aj"][scope] / 1e18) / 1e12)
        assert r[f"{part}.tops_per_mm2"] == pytest.approx(r[f"{part}.tops"] / r["area.total_mm2"])
    spec = xbarch_architecture()
    adc = r["counts.conversions"] * spec.crossbar.conversion / 1e12 / (interval * r["mapping.crossbars"])
    assert r["utilization.adc_time"] == pytest.approx(adc)
    driven = r["counts.actions.row_drive"] * spec.crossbar.read / 1e12
    assert r["utilization.crossbar_time"] == pytest.approx(
        driven / (spec.crossbar.rows * interval * r["mapping.crossbars"]))
    assert r["counts.buffer_bytes"] == r["counts.actions.edram_access"] * spec.buffer.access_bits // 8
    assert r["counts.link_bytes"] == r["counts.actions.flit_hop"] * spec.network.link_bits // 8


def xbarch_architecture():
    from xbarch.specs.load import load

    return load("isaac_like", Architecture)


def fields(model, at=""):
    """Key paths of a pydantic model; leaves only, those of every member of a union."""
    for name, info in model.model_fields.items():
        path = f"{at}.{info.alias or name}".lstrip(".")
        inner = models(info.annotation)
        mark = {dict: ".<name>", list: "[]"}.get(getattr(info.annotation, "__origin__", None), "")
        if not inner:
            yield path
        for member in inner:
            yield from fields(member, path + mark)


def models(hint):
    """The pydantic models a type holds: one, those of a union, or none."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return [hint]
    return [m for part in get_args(hint) for m in models(part)]


def test_fields_of_unions_are_found():
    """The check itself: every algorithm's fields, not only the first one's."""
    found = set(fields(Recipe))
    assert {f"pruning.algorithm.{name}" for name in ("form", "freeze_after", "ramp", "name")} <= found
    assert {"pruning.options", "pruning.training.rate", "baseline.rate"} <= found


def test_architecture_fields_are_documented():
    text = section("Architecture")
    named = rows(text)
    assert sorted(set(fields(Architecture)) ^ set(named)) == []


def test_recipe_fields_are_documented():
    named = rows(section("Recipe of a trained workload"))
    trainings = ("pruning.training", "adaptation.training")  # the fields of `baseline`
    real = [f for f in fields(Recipe) if not f.startswith(tuple(f"{t}." for t in trainings))]
    groups = {*trainings, "data", "data.augment", "quantization", "baseline", "pruning", "adaptation"}
    assert sorted({*real, *groups} ^ set(named)) == []
    assert sorted(set(fields(SyntheticRecipe)) ^ set(rows(section("Recipe of a synthetic workload")))) == []


def test_defaults_of_recipes_are_as_documented():
    """A default written as a plain value in the table is the model's."""
    table = section("Recipe of a trained workload") + section("Recipe of a synthetic workload")
    checked = 0
    for line in table.splitlines():
        cells = [c.strip() for c in line.strip("|").split(" | ")]
        if not line.startswith("| `") or not cells[1] or not re.fullmatch(r"`\w+`|[\d.e-]+|true|false", cells[1]):
            continue
        *owners, name = cells[0].strip("`").split(".")
        found = {d for model in (Recipe, SyntheticRecipe) for d in defaults([model], owners, name)} - {None}
        default = cells[1].strip("`")
        if default in ("weight_bits", "input_bits"):  # that of another field
            continue
        wanted = float(default) if any(isinstance(f, float) for f in found) else default
        assert wanted in found or default in {str(f).lower() for f in found}, cells[0]
        checked += 1
    assert checked > 20


def defaults(found, owners, name):
    """Of the field `name` below `owners`, in every model of `found` that has it."""
    for owner in owners:
        found = [m for model in found if owner in model.model_fields
                 for m in models(model.model_fields[owner].annotation)]
    return [m.model_fields[name].get_default() for m in found if name in m.model_fields]


def test_sweep_fields_are_documented():
    assert set(rows(section("Sweep"))) == set(Sweep.model_fields)
    assert f"{len(FIGURES)} of them" in section("Sweep")


def test_search_fields_are_documented():
    assert set(rows(section("Search"))) == set(Search.model_fields)


def test_manifest_fields_are_documented():
    assert sorted(set(fields(Manifest)) ^ set(rows(section("Stored workload")))) == ["layers"]


def test_fields_of_a_bundle_are_documented():
    assert sorted(set(fields(Bundle)) ^ set(rows(section("Bundle")))) == []


def test_the_page_of_the_command_line_is_what_the_commands_say():
    """Made by `python docs/cli.py`; with every command and option that there is."""
    written = shown_by_docs("cli")
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == written.page()
    for name, command in written.commands(typer.main.get_command(app)):
        part = written.page().partition(f"\n## xbarch {name}\n")[2].partition("\n## ")[0]
        for option in (o for p in command.params for o in p.opts if o.startswith("-") and o != "--help"):
            assert f"`{option}`" in part, (name, option)
        assert all(p.help for p in command.params), name


def shown_by_docs(name):
    """The module docs/NAME.py."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_exit_codes_are_documented():
    text = section("Commands")
    codes = {int(line.split("|")[1]) for line in text.splitlines() if re.match(r"\| \d+ \|", line)}
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.XbarchError)]
    assert codes == {0, 5, 130, 143} | {k.exit_code for k in kinds}


def test_policies_networks_and_methods_are_named():
    assert set(rows(section("Policies"))) == set(POLICIES)
    assert set(rows(section("Modes"))) == set(MODES)
    assert all(f"`{name}`" in section("Recipe of a synthetic workload") for name in NETWORKS)
    methods = (DOCS / "methods.md").read_text(encoding="utf-8")
    for name, path in datapaths().items():
        part = methods.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert part, name
        for option in path.Options.model_fields:
            assert f"`{option}" in part, f"{name}: {option}"


def test_bundled_files_are_listed():
    for kind in ("architectures", "workloads"):
        listed = set(rows((ROOT / kind / "README.md").read_text(encoding="utf-8")))
        assert {name.removesuffix(".yaml") for name in listed} == {p.stem for p in (ROOT / kind).glob("*.yaml")}


def test_documents_keep_to_the_line():
    """120 characters; tables and commands, which cannot be broken, aside."""
    own = (DOCS / "conf.py", *DOCS.rglob("*.md"), ROOT / "CONTRIBUTING.md", *ROOT.glob("*s/README.md"))
    for page in own:
        commands = False
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            commands = line == "```bash" or (commands and line != "```")
            assert len(line) <= 120 or commands or line.startswith("|"), f"{page}:{number}"


def test_every_public_name_is_in_the_api():
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`xbarch\.(\w+) <", text)) == set(xbarch.__all__) - {"__version__"}
    for target in re.findall(r"`xbarch\.\w+ <([\w.]+)>`", text):
        assert target.startswith("xbarch.errors.") or f":: {target}\n" in text, target


def test_every_report_has_a_page():
    shown = {(page.parent / name).resolve() for page in (DOCS / "results").glob("*.md")
             for name in re.findall(r"{include} (\S+)", page.read_text(encoding="utf-8"))}
    reports = {report.resolve() for report in (ROOT / "reports").rglob("*.md")}
    assert shown == reports, "each report has a page in docs/results that includes it, named in docs/index.md"
    named = re.findall(r"^results/\w+$", (DOCS / "index.md").read_text(encoding="utf-8"), re.M)
    assert sorted(named) == sorted(f"results/{page.stem}" for page in (DOCS / "results").glob("*.md"))


@pytest.mark.full
def test_pictures_are_those_of_a_run(tmp_path):
    """Their words and numbers; lines and fonts are matplotlib's affair. `python docs/pictures.py` makes them anew."""
    for name in shown_by_docs("pictures").draw(tmp_path):
        made, kept = (re.findall(r"<text[^>]*>([^<]*)", (folder / f"{name}.svg").read_text(encoding="utf-8"))
                      for folder in (tmp_path, DOCS / "pictures"))
        assert made == kept and made, name


@pytest.mark.full
def test_the_screen_of_the_readme_is_what_its_command_prints(call):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    command, screen = [f["body"] for f in FENCE.finditer(readme)][0:2]
    code, out, _ = call(*command.partition("/xbarch ")[2].split()[:-2])
    assert code == 0 and screen in out and screen.count("\n") > 5


class Links(HTMLParser):
    """What a page names, what it links to and what it loads."""

    def __init__(self, file):
        super().__init__()
        self.names, self.links, self.loaded = set(), [], []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.names |= {found[key] for key in ("id", "name") if found.get(key)}
        links = [found[key] for key in ("href", "src") if found.get(key)]
        self.links += links
        self.loaded += links if tag != "a" else []


def broken(folder):
    """Links between the pages of a folder that lead nowhere, and whatever a page fetches from elsewhere."""
    pages = {file.resolve(): Links(file) for file in folder.rglob("*.html")}
    for file, page in pages.items():
        for link in page.links:
            place, _, anchor = link.partition("#")
            if re.match(r"(\w+:)?//|\w+:", place):
                if link in page.loaded and not place.startswith("data:"):
                    yield f"{file.relative_to(folder.resolve())}: {link}"
                continue
            target = (file.parent / unquote(place.partition("?")[0])).resolve() if place else file
            if not target.exists() or (anchor and target in pages and unquote(anchor) not in pages[target].names):
                yield f"{file.relative_to(folder.resolve())}: {link}"


def test_broken_links_are_found(tmp_path):
    (tmp_path / "a.html").write_text('<p id="x"><a href="#x"></a><a href="b.html#y"></a><a href="c.html"></a>'
                                     '<img src="d.svg"><a href="https://far"></a><script src="//far/e.js"></script>')
    (tmp_path / "b.html").write_text('<a href="a.html#x"></a>')
    assert list(broken(tmp_path)) == ["a.html: b.html#y", "a.html: c.html", "a.html: d.svg",
                                      "a.html: //far/e.js"]


@pytest.mark.full
def test_pages_build_without_warnings(tmp_path):
    pytest.importorskip("sphinx")
    for package in ("furo", "myst_nb", "sphinx_design", "sphinx_copybutton"):
        pytest.importorskip(package)
    done = subprocess.run([sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(DOCS), str(tmp_path / "html"),
                           "-d", str(tmp_path / "trees")], text=True, capture_output=True, check=False, timeout=300,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "html/reference.html").is_file() and (tmp_path / "html/_modules/xbarch/run.html").is_file()
    assert list(broken(tmp_path / "html")) == []
