"""A user's file sees the types of the public functions, and a misspelt argument is an error before it runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import xbarch

ROOT = Path(xbarch.__file__).parents[1]
RIGHT = '''
import xbarch
from xbarch import Request, Result

result: Result = xbarch.simulate("isaac_like", "vgg7_pruned", images=2, policy="one_copy", overrides=["a.b=1"])
same: Result = xbarch.simulate(Request(arch="isaac_like", workload="vgg7_pruned", images=2))
rate: float | None = result.throughput.images_per_second
line: str = result.summary()
'''
WRONG = [
    ('xbarch.simulate("isaac_like", "vgg7_pruned", imagez=2)', "imagez"),
    ('xbarch.simulate("isaac_like", "vgg7_pruned", images="two")', "images"),
    ('xbarch.Request(arch="isaac_like", workload="vgg7_pruned", polcy="fit")', "polcy"),
    ('number: int = xbarch.simulate("isaac_like", "vgg7_pruned")', "Result"),
    ("xbarch.simulat", "simulat"),
]


def check(folder, **texts):
    """What `mypy --strict` says of a user's files, line by line."""
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--cache-dir", str(folder / "cache"),
         *(f"{name}.py" for name in texts)],
        cwd=folder, env={**os.environ, "MYPYPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.full
def test_a_users_file_is_checked(tmp_path):
    pytest.importorskip("mypy")
    wrong = "import xbarch\n" + "".join(f"{statement}\n" for statement, _ in WRONG)
    lines = check(tmp_path, wrong=wrong, right=RIGHT)
    for number, (statement, name) in enumerate(WRONG, start=2):
        assert any(line.startswith(f"wrong.py:{number}: error") and name in line for line in lines), (statement, lines)
    assert not [line for line in lines if line.startswith("right.py")]


def test_types_are_shipped():
    assert (Path(xbarch.__file__).parent / "py.typed").is_file()


def test_the_public_names():
    """`dir` lists them, each can be had, and nothing else is public."""
    assert dir(xbarch) == sorted(xbarch.__all__)
    for name in xbarch.__all__:
        assert getattr(xbarch, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'simulat'"):
        xbarch.simulat  # noqa: B018
