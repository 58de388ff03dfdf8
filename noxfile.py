"""What the project does again and again: `nox -l` lists it, `nox -s tests` does one of them."""

import sys
from pathlib import Path

import nox

nox.options.sessions = ["lint", "tests"]
nox.options.reuse_existing_virtualenvs = True
PINNED = ("-c", "constraints.txt")
MAIN_JOB = ["xbarch", "simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--images", "1"]


def develop(session: nox.Session) -> None:
    """Install the checkout with everything its tests use."""
    session.install(*PINNED, "-e", ".[dev]")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, spelling, types and the directions of imports."""
    develop(session)
    session.run("ruff", "check", ".")
    session.run("codespell")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the quick tier; arguments behind `--` go to pytest."""
    develop(session)
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session
def full(session: nox.Session) -> None:
    """Run the full tier and print its coverage."""
    develop(session)
    session.run("pytest", "-n", "2", "-m", "not long", "--cov", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the pages; a warning is an error."""
    session.install(*PINNED, "-e", ".[docs]")
    session.run("sphinx-build", "-W", "-b", "html", "docs", "docs/_build/html")


@nox.session
def wheel(session: nox.Session) -> None:
    """Build a wheel, install it by itself and run the main job from another folder."""
    session.install("build")
    folder = Path(session.create_tmp()).resolve()
    session.run("python", "-m", "build", "--wheel", "--outdir", str(folder))
    [built] = sorted(folder.glob("*.whl"), key=lambda file: file.stat().st_mtime)[-1:]
    session.install(*PINNED, "--force-reinstall", str(built))
    session.chdir(folder)
    session.run(*MAIN_JOB)


@nox.session
def performance(session: nox.Session) -> None:
    """Measure engines and commands and write docs/performance.md (an idle machine, half an hour)."""
    develop(session)
    session.run("python", "-m", "benchmarks", *session.posargs)


if __name__ == "__main__":
    sys.exit("run `nox`, not this file")
