"""What tests of several folders use."""

import sys

import pytest

from xbarch import cli


@pytest.fixture
def call(capsys, monkeypatch):
    """Run a command in this process: (exit code, standard output, standard error)."""
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["xbarch", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        out = capsys.readouterr()
        return code, out.out, out.err
    return run
