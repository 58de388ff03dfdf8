"""`xbarch.support.cache`: what is whole comes back, whatever is not is as good as absent, and it stays
within its bounds."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xbarch.support import cache

WRITER = """
import sys
from xbarch.support import cache
name, mine = sys.argv[1], sys.argv[2].encode()
print("ready", flush=True)
while True:
    cache.put(name, mine * 200_000)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XBARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(cache.VARIABLE, "1000")
    return tmp_path / "cache" / "kept"


def test_what_is_put_comes_back():
    name, other = cache.key("a", 1), cache.key("a", 2)
    assert name != other and cache.get(name) is None
    cache.put(name, b"content")
    assert cache.get(name) == b"content" and cache.get(other) is None
    cache.put(name, b"")
    assert cache.get(name) == b""


@pytest.mark.parametrize("damage", [
    lambda whole: b"", lambda whole: whole[:-1], lambda whole: whole + b"x", lambda whole: whole[:31],
    lambda whole: whole[:40] + bytes([whole[40] ^ 1]) + whole[41:], lambda whole: bytes(len(whole)),
])
def test_damaged_files_are_as_good_as_absent_and_rewritten(folder, damage):
    name = cache.key("x")
    cache.put(name, b"content" * 9)
    file = folder / name
    file.write_bytes(damage(file.read_bytes()))
    assert cache.get(name) is None
    cache.put(name, b"content" * 9)
    assert cache.get(name) == b"content" * 9


def test_a_whole_file_under_another_name_is_foreign(folder):
    cache.put(cache.key("x"), b"of x")
    (folder / cache.key("x")).rename(folder / cache.key("y"))
    assert cache.get(cache.key("y")) is None


def test_a_folder_in_a_files_place_is_as_good_as_absent(folder):
    (folder / cache.key("x")).mkdir(parents=True)
    cache.put(cache.key("x"), b"of x")
    assert cache.get(cache.key("x")) is None


def test_switched_off_nothing_is_written_or_read(folder, monkeypatch):
    cache.put(cache.key("x"), b"of x")
    monkeypatch.setenv(cache.VARIABLE, "0")
    assert cache.get(cache.key("x")) is None
    cache.put(cache.key("y"), b"of y")
    assert [f.name for f in folder.iterdir()] == [cache.key("x")]


@pytest.mark.parametrize("value", ["much", "-1", "nan", "1e400"])
def test_a_limit_that_is_no_number_is_refused(call, monkeypatch, value):
    monkeypatch.setenv(cache.VARIABLE, value)
    code, out, err = call("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--images", 1)
    assert (code, out) == (2, "") and "XBARCH_CACHE_MB: must be a number of MB" in err and f"not '{value}'" in err


def test_no_limit_said_is_a_gigabyte(monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, "")
    assert cache.limit() == 10**9


def test_a_folder_of_somebody_else_is_read(folder, monkeypatch):
    """Where what was used cannot be marked as such."""
    cache.put(cache.key("x"), b"of x")

    def refused(*given):
        raise PermissionError

    monkeypatch.setattr(os, "utime", refused)
    assert cache.get(cache.key("x")) == b"of x"


def test_what_has_no_name_is_not_kept(folder):
    cache.put("", b"content")
    assert cache.get("") is None and not folder.exists()


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XBARCH_CACHE", str(tmp_path / "file" / "below"))
    cache.put(cache.key("x"), b"of x")
    assert cache.get(cache.key("x")) is None
    monkeypatch.delenv("XBARCH_CACHE")
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError))
    cache.put(cache.key("x"), b"of x")
    assert cache.get(cache.key("x")) is None


def test_those_used_longest_ago_go_first(folder, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, "0.01")  # 10,000 bytes; 8,000 are left of more; a file has at most 1,250
    names = [cache.key(n) for n in range(9)]
    for age, name in enumerate(names[:8]):
        cache.put(name, bytes(1100))
        os.utime(folder / name, (1000 + age, 1000 + age))
    assert len(list(folder.iterdir())) == 8
    cache.put(names[8], bytes(1100))
    assert {f.name for f in folder.iterdir()} == set(names[2:])
    cache.put(cache.key("large"), bytes(1250))
    assert cache.get(cache.key("large")) is None


def test_reading_counts_as_use(folder, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, "0.01")
    names = [cache.key(n) for n in range(10)]
    for age, name in enumerate(names[:8]):
        cache.put(name, bytes(1100))
        os.utime(folder / name, (1000 + age, 1000 + age))
    assert cache.get(names[0]) is not None
    cache.put(names[8], bytes(1100))
    assert cache.get(names[0]) is not None and cache.get(names[1]) is None


def test_what_nobody_finished_goes_in_the_end(folder):
    cache.put(cache.key("x"), b"of x")
    for name, age in (("old", 2 * cache._ABANDONED), ("new", 0)):
        (folder / f".{name}.1.tmp").write_bytes(b"half")
        os.utime(folder / f".{name}.1.tmp", (time.time() - age,) * 2)
    cache.put(cache.key("y"), b"of y")
    assert {f.name for f in folder.iterdir()} == {cache.key("x"), cache.key("y"), ".new.1.tmp"}


def test_two_that_write_at_once_and_are_killed_leave_what_is_whole(folder):
    name, contents = cache.key("shared"), {b"a" * 200_000, b"b" * 200_000}
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, name, letter], stdout=subprocess.PIPE)
               for letter in "ab"]
    try:
        for writer in writers:
            writer.stdout.readline()
        seen = set()
        while len(seen) < 2:
            found = cache.get(name)
            assert found is None or found in contents
            seen |= {found} - {None}
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
            writer.stdout.close()
    assert cache.get(name) in contents
    cache.put(name, b"a" * 200_000)
    assert cache.get(name) == b"a" * 200_000


def test_source_younger_than_the_process_is_not_taken_for_what_runs(tmp_path, monkeypatch):
    """Written since, or an older file put in its place."""
    file, other = tmp_path / "source.py", tmp_path / "other.py"
    for path in (file, other):
        path.write_text("x = 1")
        os.utime(path, (1000, 1000))
    os.rename(other, file)
    assert cache.source(file) == b"" and cache.stamp(str(file)) == ""
    monkeypatch.setattr(cache, "_BEGUN", time.time() + 1)
    assert cache.source(file) == b"x = 1" and " 5 1000000000000 " in cache.stamp(str(file))
    os.utime(file, (time.time() + 9,) * 2)
    assert cache.source(file) == b"" and cache.stamp(str(file)) == ""
