"""Files written whole or not at all, and refused before anything is done."""

import os
import stat
from pathlib import Path

import pytest

from xbarch.errors import InputError
from xbarch.support.files import read_json, writable, write, write_all


def left(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_asking_leaves_nothing(tmp_path):
    (tmp_path / "there").write_text("old")
    writable(tmp_path / "a" / "b", "x", "y")
    writable(tmp_path, "there")
    writable(tmp_path)
    assert left(tmp_path) == ["there"] and (tmp_path / "there").read_text() == "old"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda p: p.symlink_to(p),
                                  lambda p: os.mknod(p, 0o600 | stat.S_IFCHR, os.makedev(1, 3))],
                         ids=["folder", "pipe", "loop", "device"])
def test_only_a_file_is_replaced(tmp_path, make):
    node, link = tmp_path / "node", tmp_path / "link"
    try:
        make(node)
    except PermissionError:
        pytest.skip("may not make devices")
    link.symlink_to(node)
    before = node.lstat()
    for name in ("node", "link"):
        for attempt in (lambda n: writable(tmp_path, n), lambda n: write(tmp_path / n, "new")):
            with pytest.raises(InputError, match="cannot be written: it is a folder, device or pipe"):
                attempt(name)
    assert node.lstat().st_ino == before.st_ino and node.lstat().st_mode == before.st_mode
    assert link.is_symlink() and left(tmp_path) == ["link", "node"]


def test_links_are_followed(tmp_path):
    """A link to a file stays a link; one to a place where nothing is yet leads there, folders too."""
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "ahead").symlink_to("made")
    writable(tmp_path / "ahead" / "in", "x")
    write(tmp_path / "link", "new")
    write(tmp_path / "ahead" / "in" / "x", b"y")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text() == "new"
    assert (tmp_path / "ahead").is_symlink() and (tmp_path / "made" / "in" / "x").read_bytes() == b"y"


@pytest.mark.parametrize("place", ["file/x", "/proc/x", "/proc/x/y", "a" * 300, "a\0b", "loop/x"])
def test_unwritable_places_are_known_beforehand(tmp_path, place):
    """The file system is asked, so that it is no matter who runs this."""
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="cannot be written"):
        writable(tmp_path / place)
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / place / "x", "new")
    assert left(tmp_path) == ["file", "loop"]


def test_all_or_none(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "z").mkdir()
    with pytest.raises(InputError, match=r"z: cannot be written: it is a folder"):
        write_all({tmp_path / "a": "new", tmp_path / "b": "new", tmp_path / "z": "new"})
    assert left(tmp_path) == ["a", "z"] and (tmp_path / "a").read_text() == "old"
    write_all({tmp_path / "a": "new", tmp_path / "n" / "b": "µ"})
    assert (tmp_path / "a").read_text() == "new" and (tmp_path / "n" / "b").read_bytes() == "µ".encode()


@pytest.mark.parametrize(("text", "says"), [
    ('{"a": "x\ny"}', "1: is not JSON: invalid control character at column 9"),
    ('{"a" 1}', "1: is not JSON: expecting ':' delimiter at column 6"),
    ('{"a": ' + "9" * 5001 + "}", " a number must have at most 100 characters, not 5,001"),
    ('{"a": 1, "a": 2}', " the key 'a' is given twice"),
    ('{"a": NaN}', " numbers must be finite, not NaN"),
])
def test_json_that_is_refused(tmp_path, text, says):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError) as caught:
        read_json(tmp_path / "a.json", 2**20)
    assert str(caught.value) == f"{tmp_path / 'a.json'}:{says}"
