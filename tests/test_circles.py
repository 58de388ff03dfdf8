"""No module of xbarch imports one that leads back to it, imports for type annotations and within functions included."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import xbarch

ROOT = Path(xbarch.__file__).parent


def modules():
    """Name -> file of every module, packages included."""
    return {".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
            for path in ROOT.rglob("*.py") if "tests" not in path.parts}


def imported(text, known):
    """Modules that a source text imports; a package only where one of its own names is taken."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in known}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                found.add(below if below in known else node.module)
    return found & set(known)


def circle(graph):
    """The modules of a circle, empty if there is none."""
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return error.args[1]
    return []


def test_there_is_no_import_circle():
    known = modules()
    # The front (`xbarch`) loads lazily what it offers; every module that wants it would close a circle.
    graph = {name: imported(path.read_text(encoding="utf-8"), known) - {name}
             for name, path in known.items() if name != "xbarch"}
    assert len(graph) > 150 and sum(map(len, graph.values())) > 500
    assert circle(graph) == []


@pytest.mark.parametrize("text", ["import xbarch.b", "from xbarch import b", "from xbarch.b import x",
                                  "if TYPE_CHECKING:\n    from xbarch.b import x", "def f():\n    import xbarch.b"])
def test_a_circle_is_found_however_it_is_written(text):
    known = {"xbarch": 0, "xbarch.a": 0, "xbarch.b": 0}
    graph = {"xbarch.a": imported(text, known), "xbarch.b": imported("from xbarch.a import y", known)}
    assert set(circle(graph)) == {"xbarch.a", "xbarch.b"}
