"""The notebooks run; those without training print what is stored in them."""

import importlib.util
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs"
TRAIN = ("network", "pruning")
NAMES = sorted(file.stem for file in (FOLDER / "notebooks").glob("*.ipynb"))


def runner():
    """The module docs/notebooks.py."""
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    spec = importlib.util.spec_from_file_location("docs_notebooks", FOLDER / "notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.full
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.train] * (n in TRAIN)) for n in NAMES])
def test_notebooks_run(name, tmp_path, monkeypatch):
    import nbformat

    notebooks = runner()
    monkeypatch.setenv("XBARCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    file = FOLDER / "notebooks" / f"{name}.ipynb"
    stored, now = nbformat.read(file, as_version=4), notebooks.run(file, tmp_path / "work")
    said, says = notebooks.text_of(stored), notebooks.text_of(now)
    assert min(len(said), len(says)) >= 4  # a number, a table, a picture; how often a cell prints depends on timing
    if name not in TRAIN:
        assert says == said


@pytest.mark.full
def test_an_error_in_a_cell_is_seen(tmp_path):
    notebooks = runner()
    import nbformat
    from nbclient.exceptions import CellExecutionError

    wrong = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    nbformat.write(wrong, tmp_path / "wrong.ipynb")
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        notebooks.run(tmp_path / "wrong.ipynb", tmp_path)
