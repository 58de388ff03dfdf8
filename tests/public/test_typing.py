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
rate: float = result.throughput.images_per_second
line: str = result.summary()
'''
WRONG = [
    ('xbarch.simulate("isaac_like", "vgg7_pruned", imagez=2)', "imagez"),
    ('xbarch.simulate("isaac_like", "vgg7_pruned", images="two")', "images"),
    ('xbarch.Request(arch="isaac_like", workload="vgg7_pruned", polcy="fit")', "polcy"),
    ('number: int = xbarch.simulate("isaac_like", "vgg7_pruned")', "Result"),
    ("xbarch.simulat", "simulat"),
]


def check(folder, text):
    """What `mypy --strict` says of a user's file: (exit code, its lines)."""
    (folder / "use.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--cache-dir", str(folder / "cache"), "use.py"],
        cwd=folder, env={**os.environ, "MYPYPATH": str(ROOT)}, capture_output=True, text=True)
    return done.returncode, [line for line in done.stdout.splitlines() if line.startswith("use.py")]


def test_a_users_file_is_checked(tmp_path):
    pytest.importorskip("mypy")
    wrong = "import xbarch\n" + "".join(f"{statement}\n" for statement, _ in WRONG)
    code, lines = check(tmp_path, wrong)
    assert code == 1
    for number, (statement, name) in enumerate(WRONG, start=2):
        assert any(line.startswith(f"use.py:{number}: error") and name in line for line in lines), (statement, lines)
    assert check(tmp_path, RIGHT)[1] == []


def test_types_are_shipped():
    assert (Path(xbarch.__file__).parent / "py.typed").is_file()


def test_the_public_names():
    """`dir` lists them, each can be had, and nothing else is public."""
    assert dir(xbarch) == sorted(xbarch.__all__)
    for name in xbarch.__all__:
        assert getattr(xbarch, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'simulat'"):
        xbarch.simulat  # noqa: B018
