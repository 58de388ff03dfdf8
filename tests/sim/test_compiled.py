"""The kernel's machine code: made once, when xbarch is installed, and never run where it is damaged or another's."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from xbarch.render.interactive import bundle
from xbarch.sim import build, compiled

MACHINE = SimpleNamespace(triple="x86_64-test")


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Code made anew, in order. An installation without code; compiling is not what is tested here."""
    monkeypatch.setenv("XBARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "shipped", lambda triple: tmp_path / "installed" / f"{triple}.o")
    (tmp_path / "installed").mkdir()
    found = []

    def emit(machine):
        found.append(b"code %d of %s" % (len(found), machine.triple.encode()))
        return found[-1]

    monkeypatch.setattr(build, "emit", emit)
    monkeypatch.setattr(build, "target", lambda: MACHINE)
    return found


@pytest.fixture
def hook(tmp_path, monkeypatch):
    """Run the build hook: what it adds to the wheel beside the script of pages."""
    hatch = pytest.importorskip("hatchling.builders.hooks.plugin.interface")
    assert hatch
    from hatch_build import MadeHook

    monkeypatch.setattr(bundle, "FILE", tmp_path / "vega.js")
    monkeypatch.setattr(bundle, "make", lambda: "draw()")

    def run(version="standard"):
        said, data = [], {"artifacts": []}
        one = MadeHook(str(tmp_path), {}, None, None, str(tmp_path), "wheel",
                       SimpleNamespace(display_info=said.append, display_warning=said.append))
        one.initialize(version, data)
        return [name for name in data["artifacts"] if name != "vega.js"], said
    return run


def kept(tmp_path):
    return list((tmp_path / "cache" / "kernel").glob("*"))


def test_it_is_made_once(made, tmp_path):
    assert compiled._code(MACHINE) == compiled._code(MACHINE) == b"code 0 of x86_64-test"
    assert len(made) == len(kept(tmp_path)) == 1


def test_an_installation_brings_it(made, tmp_path, hook, caplog):
    caplog.set_level("INFO", "xbarch")
    assert hook()[0] == hook("editable")[0] == ["installed/x86_64-test.o"] and len(made) == 1
    assert compiled._code(MACHINE) == made[0] and len(made) == 1 and not kept(tmp_path)
    assert [record.message for record in caplog.records] == [
        f"kernel: machine code from {tmp_path}/installed/x86_64-test.o"]
    assert not any(str(tmp_path) == folder for folder in sys.path)


def test_code_of_another_kernel_is_made_anew(made, tmp_path, hook, monkeypatch, caplog):
    hook()
    monkeypatch.setattr(build, "MODULES", build.MODULES[:-1])
    caplog.set_level("INFO", "xbarch")
    assert compiled._code(MACHINE) == made[1] and len(kept(tmp_path)) == 1
    assert caplog.records[0].message == ("kernel: compiling, which takes some seconds; no code for this kernel in "
                                         f"{tmp_path}/installed/x86_64-test.o")
    assert hook()[0] and compiled._code(MACHINE) == made[2]  # the next install mends it


def test_an_installation_brings_the_script_of_pages(made, hook, tmp_path, monkeypatch):
    _, said = hook()
    assert (tmp_path / "vega.js").read_text() == "draw()" and not any("charts" in text for text in said)
    (tmp_path / "vega.js").unlink()
    monkeypatch.setattr(bundle, "make", lambda: __import__("a_package_that_is_not_there"))
    _, said = hook()
    assert "pages will have no charts" in said[0] and not (tmp_path / "vega.js").exists()


def test_an_install_without_numba_or_room_goes_on(made, hook, tmp_path, monkeypatch):
    (tmp_path / "installed").rmdir()
    added, said = hook()
    assert added == [] and "the first run will do it" in said[-1]
    monkeypatch.setattr(build, "emit", lambda machine: __import__("a_package_that_is_not_there"))
    (tmp_path / "installed").mkdir()
    assert hook()[0] == [] and compiled.build.shipped("x").parent.is_dir()


@pytest.mark.parametrize("part", build.MODULES, ids=lambda part: part.__name__.rpartition(".")[2])
def test_the_key_depends_on_every_part_of_the_kernel(part, monkeypatch, tmp_path):
    before = build.key("x86_64-test")
    copy = tmp_path / "copy.py"
    copy.write_bytes(Path(part.__file__).read_bytes() + b"\n")
    monkeypatch.setattr(part, "__file__", str(copy))
    assert build.key("x86_64-test") != before != build.key("arm64-test")


def test_all_functions_of_the_kernel_are_compiled():
    """Numba takes functions by name from the listed ones: what is missing there would be plain Python."""
    functions = {value for module in build.MODULES for value in vars(module).values()
                 if callable(value) and getattr(value, "__module__", "").startswith("xbarch.sim.kernel.")}
    assert functions - {build.layout.section} == set(build.loop.CALLEES_FIRST)
    assert {module.__name__ for module in build.MODULES} == {value.__module__ for value in functions}


@pytest.mark.parametrize("damage", [lambda code: code[:-1], lambda code: b"", lambda code: code + b"x",
                                    lambda code: code[:40] + b"x" + code[41:], lambda code: code[:32]],
                         ids=["cut", "empty", "longer", "changed", "headed"])
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
