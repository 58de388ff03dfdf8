"""What `xbarch doctor` says of an installation, and of broken ones."""

import json

import pytest

import xbarch
from xbarch import installation
from xbarch.errors import InputError
from xbarch.plugins import kinds, registry
from xbarch.sim import build
from xbarch.support import bundled, cache, extras


def of(findings, part):
    return {finding.what: finding for finding in findings if finding.part == part}


def test_what_is_there(call):
    findings = xbarch.doctor()
    assert {f.part for f in findings} == {"versions", "extras", "kernel", "cache", "threads", "bundled", "plugins"}
    assert of(findings, "versions")["xbarch"].value == xbarch.__version__
    assert set(of(findings, "extras")) == set(extras.EXTRAS)
    assert of(findings, "bundled")["architectures"].value.startswith(str(len(bundled.names("architectures"))))
    code, out, err = call("doctor", "--json")
    assert [entry["what"] for entry in json.loads(out)] == [f.what for f in findings], err
    assert code == int(any(f.state == "wrong" for f in findings))
    assert all(len(line) <= 120 for line in call("doctor")[1].splitlines())


def test_a_missing_extra_and_its_cure(monkeypatch):
    monkeypatch.setitem(extras.EXTRAS, "tables", {"pandas": "pandas", "no_such_package": "Nothing"})
    found = of(installation.doctor(), "extras")["tables"]
    assert found.state == "missing" and found.value == "not installed: Nothing" and "'.[tables]'" in found.cure


def test_a_kernel_of_another_source_is_told(monkeypatch, tmp_path):
    file = tmp_path / "kernel.o"
    monkeypatch.setattr(build, "shipped", lambda triple: file)
    assert of(installation.doctor(), "kernel")["fast engine"].state == "wrong"
    file.write_bytes(build.seal("another key", b"code"))
    assert of(installation.doctor(), "kernel")["fast engine"].state == "wrong"
    file.write_bytes(build.seal(build.key(build.target().triple), b"code"))
    assert of(installation.doctor(), "kernel")["fast engine"].state == "ok"


@pytest.mark.parametrize(("given", "state", "says"), [
    ("0", "missing", "off"), ("many", "wrong", "must be a number of MB"), ("50", "ok", "of 50 MB")])
def test_the_cache(monkeypatch, given, state, says):
    monkeypatch.setenv(cache.VARIABLE, given)
    found = of(installation.doctor(), "cache")["kept answers"]
    assert found.state == state and says in found.value


def test_a_plugin_that_cannot_be_imported_is_wrong(monkeypatch):
    whole = registry.classes

    def classes(kind):
        if kind is kinds.SENSING:
            raise InputError("package broken 1.0: cannot be imported")
        return whole(kind)

    monkeypatch.setattr(registry, "classes", classes)
    found = of(installation.doctor(), "plugins")
    assert found["sensing"].state == "wrong" and "package broken 1.0" in found["sensing"].value
    assert found["datapaths"].state == "ok"
