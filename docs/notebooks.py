"""Run the notebooks and store what they print: `python docs/notebooks.py [NAME]...` (some minutes; extra `dev`)."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).with_name("notebooks")
_SECONDS = 600  # most for one cell


def run(file: Path, work: Path) -> nbformat.NotebookNode:
    """Return the notebook with what its cells print when they run in the folder `work`; an error in one is raised."""
    notebook = nbformat.read(file, as_version=4)
    NotebookClient(notebook, timeout=_SECONDS, kernel_name="python3", record_timing=False,
                   resources={"metadata": {"path": str(work)}}).execute()
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                         "language_info": {"name": "python"}}
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def text_of(notebook: nbformat.NotebookNode) -> list[str]:
    """Return what the cells of a notebook print, with a word in place of each picture."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return ["picture" if any(kind.startswith("image/") for kind in output.get("data", {})) else
            output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]


def main(names: list[str]) -> None:
    """Run the notebooks of these names, or all."""
    for file in sorted(FOLDER.glob("*.ipynb")):
        if not names or file.stem in names:
            with TemporaryDirectory() as work:
                nbformat.write(run(file, Path(work)), file)
            print(file.name)


if __name__ == "__main__":
    main(sys.argv[1:])
