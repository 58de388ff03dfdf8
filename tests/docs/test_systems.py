"""The systems that SegPrune cites: what each works here as exists."""

import re
from pathlib import Path

from xbarch.plugins import kinds, registry
from xbarch.specs.grid import Grid
from xbarch.specs.load import document, validate
from xbarch.support.bundled import folder

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"
ROWS = re.findall(r"^\| (\d+)\. [^|]* \| ([^|]*) \|$", PAGE.read_text(encoding="utf-8"), re.M)


def test_every_system_works_here_as_something():
    assert [int(number) for number, _ in ROWS] == [*range(1, 43)]
    assert [number for number, text in ROWS if "orks here as" not in text] == []


def test_what_the_rows_name_exists():
    """Recipes in a grid, data paths and architectures that are installed, workloads and studies that are bundled."""
    grids = [validate(document(name, kind="workloads"), Grid).methods for name in ("digit_pairs", "seeds")]
    recipes = {name for methods in grids for name in methods}
    named = {name for _, text in ROWS for part in re.findall(r"recipes? ((?:`\w+`(?: and |, )?)+)", text)
             for name in re.findall(r"`(\w+)`", part)}
    assert {"patdnn", "depth", "thinet", "unstructured"} <= named and named - recipes == set()
    paths = {name for _, text in ROWS for name in re.findall(r"data path \[`(\w+)`\]", text)}
    assert len(paths) > 12 and all(registry.find(kinds.PATHS, name) is not None for name in paths)
    machines = {name for _, text in ROWS for name in re.findall(r"architecture `(\w+)`", text)}
    assert machines >= {"isaac_like"} and all((folder("architectures") / f"{n}.yaml").is_file() for n in machines)
    studies = {name for _, text in ROWS for name in re.findall(r"`studies/(\w+\.yaml)`", text)}
    assert studies and all((folder("studies") / name).is_file() for name in studies)
