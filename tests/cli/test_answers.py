"""`list` and `validate` say the same from the cache, and look again when anything they depend on has changed."""

import json
import os

import pytest

from xbarch.cli import answers, catalog
from xbarch.errors import InputError
from xbarch.specs import kinds
from xbarch.support import bundled, cache


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XBARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(cache.VARIABLE, "1000")
    monkeypatch.setattr(cache, "_BEGUN", 2.0**40)  # what is changed here is what runs
    return tmp_path / "cache" / "kept"


def kept(folder):
    return len(list(folder.iterdir())) if folder.exists() else 0


def never(*_):
    raise AssertionError("asked again")


@pytest.mark.full
def test_the_list_is_the_same_and_made_once(folder, monkeypatch, call):
    fresh = catalog.entries()
    assert answers.entries() == fresh and kept(folder) == 1
    monkeypatch.setattr(catalog, "entries", never)
    assert answers.entries() == fresh and list(answers.entries()) == list(fresh)
    code, out, _ = call("list", "--json")
    assert code == 0 and json.loads(out) == fresh


@pytest.mark.full
def test_a_new_file_among_the_bundled_ones_is_listed(folder, monkeypatch, tmp_path):
    own = bundled.folder
    architectures = tmp_path / "architectures"
    architectures.mkdir()
    for file in own("architectures").glob("*.yaml"):
        (architectures / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(bundled, "folder", lambda kind: architectures if kind == "architectures" else own(kind))
    before = answers.entries()
    (architectures / "another.yaml").write_text("extends: isaac_like\nname: another\nsummary: one more\n")
    after = answers.entries()
    assert [e["name"] for e in after["architectures"] if e not in before["architectures"]] == ["another"]
    (architectures / "another.yaml").write_text("extends: isaac_like\nname: another\nsummary: another one\n")
    assert "another one" in [e["summary"] for e in answers.entries()["architectures"]]
    (architectures / "another.yaml").unlink()
    assert answers.entries() == before


@pytest.mark.full
def test_what_other_packages_offer_is_looked_at_every_time(folder, install):
    before = answers.entries()
    install("others", {"others/__init__.py": "", "others/theirs.yaml": "extends: isaac_like\nname: theirs\n"},
            [("architectures", "theirs", "others")])
    held = kept(folder)
    assert [e["name"] for e in answers.entries()["architectures"] if e not in before["architectures"]] == ["theirs"]
    assert kept(folder) == held


def test_files_younger_than_the_process_are_looked_at_every_time(folder, monkeypatch):
    monkeypatch.setattr(cache, "_BEGUN", 0.0)
    assert answers.entries() == catalog.entries() and kept(folder) == 0


@pytest.mark.parametrize("name", ["isaac_like", "digit_pairs", "resnet18_pruned", "vgg8_dense8"])
def test_what_is_valid_stays_valid(folder, monkeypatch, call, name):
    _, fresh, _ = call("validate", name)
    assert kept(folder) == 1
    monkeypatch.setattr(kinds, "checked", never)
    assert call("validate", name) == (0, fresh, "")


def test_a_changed_file_base_or_override_is_checked_again(tmp_path):
    base, file = tmp_path / "base.yaml", tmp_path / "mine.yaml"
    base.write_text("extends: isaac_like\nname: base\n")
    file.write_text("extends: base.yaml\nname: mine\n")

    def checked(*overrides):
        return answers.checked(file, overrides, False)

    assert checked() == checked() == ["mine"]
    with pytest.raises(InputError):
        checked("crossbar.rows=none")
    assert checked("crossbar.rows=64") == ["mine"]
    base.write_text("extends: isaac_like\nname: base\ncrossbar: {rows: none}\n")
    for _ in range(2):
        with pytest.raises(InputError, match="rows"):
            checked()
    base.write_text("extends: isaac_like\nname: base\n")
    assert checked() == ["mine"]
    file.write_text("extends: base.yaml\nname: other\n")
    os.utime(file, (1000, 1000))
    assert checked() == ["other"]


def test_with_plugins_nothing_is_taken_from_the_cache(folder, monkeypatch):
    answers.checked("isaac_like", (), False)
    monkeypatch.setattr(kinds, "checked", never)
    with pytest.raises(AssertionError, match="asked again"):
        answers.checked("isaac_like", (), True)
