"""The kernel's machine code and where it is kept."""

from types import SimpleNamespace

import pytest

pytest.importorskip("numba")
from xbarch.sim import compiled

MACHINE = SimpleNamespace(triple="x86_64-test")


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Code made anew, in order; compiling is not what is tested here."""
    monkeypatch.setenv("XBARCH_CACHE", str(tmp_path / "cache"))
    found = []

    def emitted(machine):
        found.append(b"code %d of %s" % (len(found), machine.triple.encode()))
        return found[-1]

    monkeypatch.setattr(compiled, "_emitted", emitted)
    return found


def kept(tmp_path):
    return list((tmp_path / "cache" / "kernel").glob("*"))


def test_it_is_made_once(made, tmp_path):
    assert compiled._code(MACHINE) == compiled._code(MACHINE) == b"code 0 of x86_64-test"
    assert len(made) == len(kept(tmp_path)) == 1


def test_another_kernel_machine_or_numba_has_its_own(made, tmp_path, monkeypatch):
    compiled._code(MACHINE)
    compiled._code(SimpleNamespace(triple="arm64-test"))
    monkeypatch.setattr(compiled, "version", lambda package: "0.0")
    compiled._code(MACHINE)
    monkeypatch.setattr(compiled, "kernel", compiled)
    compiled._code(MACHINE)
    assert len(made) == len(kept(tmp_path)) == 4


@pytest.mark.parametrize("damage", [lambda code: code[:-1], lambda code: b"", lambda code: code + b"x",
                                    lambda code: code[:40] + b"x" + code[41:]], 
                         ids=["cut", "empty", "longer", "changed"])
def test_damaged_code_is_never_run(made, tmp_path, damage):
    compiled._code(MACHINE)
    path, = kept(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    assert compiled._code(MACHINE) == made[1] and compiled._code(MACHINE) == made[1] and len(made) == 2


def test_without_a_folder_it_is_made_every_time(made, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file in the folder's place")
    assert [compiled._code(MACHINE) for _ in range(2)] == made
    monkeypatch.delenv("XBARCH_CACHE")
    monkeypatch.setattr(compiled.files.Path, "home", lambda: (_ for _ in ()).throw(RuntimeError))
    compiled._code(MACHINE)
    assert len(made) == 3
