"""Answers by the digests of their requests in one SQLite file: one row per request, written whole or not at all.

A row has a head, what many answers have in common (the sentence why one did not run, or the names of its figures), by
its number in a table of its own, and a body. So an answer of a sweep takes some hundred bytes. Rows lie in the order in
which they came, with an index beside them, since names have no order that a disk could use.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from xbarch.errors import InputError
from xbarch.studies.runs.answer import LOST, Answer, Names

Buffer = bytes | bytearray

_PATIENCE = 2.0  # s to wait for another process
_VERSION = 4  # of the tables
_TABLES = """CREATE TABLE IF NOT EXISTS heads (number INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS answers (name BLOB NOT NULL UNIQUE, final INTEGER NOT NULL, head INTEGER NOT NULL,
    body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS noted (name TEXT NOT NULL, start INTEGER NOT NULL, answers BLOB NOT NULL,
    PRIMARY KEY (name, start));
CREATE TABLE IF NOT EXISTS finished (name TEXT PRIMARY KEY, summary TEXT NOT NULL, answers BLOB NOT NULL,
    ran BLOB NOT NULL)"""
Head = tuple[str, str, str, Names | None]
_SOME = 500  # names asked for at a time
_BYTES = 32  # of a name


class Store:
    """A file of answers, of one process at a time. Answers that are added together are one transaction in a write-ahead
    log: a killed process loses only what it had not added yet."""

    def __init__(self, path: Path, writes: bool = True) -> None:
        """Open the file, or create it. writes: whether answers are added, by this process alone.

        Raises:
            InputError: the file cannot be written, is not a store of answers or one of an earlier version, or another
                process uses it.
        """
        self.path = path
        self._numbers: dict[tuple[object, ...], int] = {}
        self._heads: dict[int, Head] = {}
        self._known: dict[tuple[int, Names | None], bool] = {}
        with self._blamed():
            path.parent.mkdir(parents=True, exist_ok=True)
            self.base = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
            try:
                if writes:
                    self._open()
            except BaseException:
                self.base.close()
                raise

    def _open(self) -> None:
        run = self.base.execute
        run("PRAGMA locking_mode=EXCLUSIVE")  # also: no memory shared between machines, which network folders lack
        run("PRAGMA journal_mode=WAL")
        run("PRAGMA synchronous=NORMAL")  # survives any process; a power cut may cost the last rows
        version, = run("PRAGMA user_version").fetchone()
        if version != _VERSION:
            if version or run("SELECT 1 FROM sqlite_master").fetchone():
                raise InputError("is a store of another version of xbarch, whose answers this one cannot use; give "
                                 "another output folder, or remove the file", file=self.path)
            self.base.executescript(f"BEGIN;{_TABLES};PRAGMA user_version={_VERSION};COMMIT")
        run("BEGIN IMMEDIATE")  # takes the lock, which stays
        run("COMMIT")

    def add(self, answers: Iterable[tuple[str, Answer]]) -> None:
        """Store answers by name, all or none."""
        with self._blamed():
            self.base.execute("BEGIN")
            try:
                self.base.executemany(
                    "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)",
                    [(bytes.fromhex(name), answer.error != LOST, self._number(answer), answer.packed)
                     for name, answer in answers])
            except BaseException:
                self._numbers.clear()
                if self.base.in_transaction:
                    self.base.execute("ROLLBACK")
                raise
            self.base.execute("COMMIT")

    def _number(self, answer: Answer) -> int:
        """Return the number of an answer's head."""
        head = (answer.why, answer.reason, answer.error, answer.names)
        if head not in self._numbers:
            if len(self._numbers) > _SOME:
                self._numbers.clear()
            text = json.dumps(head, ensure_ascii=False)
            self.base.execute("INSERT OR IGNORE INTO heads (text) VALUES (?)", (text,))
            self._numbers[head], = self.base.execute("SELECT number FROM heads WHERE text = ?", (text,)).fetchone()
        return self._numbers[head]

    def final(self, names: Collection[str], wanted: Names | None = None) -> set[str]:
        """Return those of the names that have a final answer. wanted: figures that it must have if it ran; None: the
        whole record."""
        return {name for name, (head,) in self._rows(names, "head", "AND final") if self._covers(head, wanted)}

    def _covers(self, number: int, wanted: Names | None) -> bool:
        if (number, wanted) not in self._known:
            why, _, _, names = self._head(number)
            self._known[number, wanted] = bool(why) or names is None or (wanted is not None and {*wanted} <= {*names})
        return self._known[number, wanted]

    def answers(self, names: Collection[str]) -> dict[str, Answer]:
        """Return the answers that exist for these names."""
        return {name: self._answer(head, body) for name, (head, body) in self._rows(names, "head, body")}

    def lacking(self, names: Buffer, wanted: Names | None = None) -> list[int]:
        """Return the numbers of those names, one behind the other, that have no final answer. wanted: as of `final`."""
        found: list[int] = []
        for at in range(0, len(names) // _BYTES, _SOME):
            some = [bytes(names[_BYTES * n:_BYTES * (n + 1)]) for n in range(at, min(at + _SOME, len(names) // _BYTES))]
            known = {name for name, head in self._found(some, "head", "AND final") if self._covers(head, wanted)}
            found += [at + place for place, name in enumerate(some) if name not in known]
        return found

    def note(self, name: str, start: int, answers: Sequence[str]) -> None:
        """Store the names of a sweep's answers from the one with the number `start` on, so that they need not be found
        again if the sweep is interrupted."""
        with self._blamed():
            self.base.execute("INSERT OR REPLACE INTO noted VALUES (?, ?, ?)",
                              (name, start, bytes.fromhex("".join(answers))))

    def noted(self, name: str) -> bytearray:
        """Return the names that `note` stored of a sweep, from the first on, one behind the other."""
        found = bytearray()
        with self._blamed():
            for start, answers in self.base.execute(
                    "SELECT start, answers FROM noted WHERE name = ? ORDER BY start", (name,)):
                if start * _BYTES != len(found):
                    break
                found += answers
        return found

    def finish(self, name: str, summary: str, answers: Buffer, ran: bytes) -> None:
        """Store what is to be known of a finished sweep: a summary, the names of its answers one behind the other, and
        of each whether it ran."""
        with self._blamed():
            self.base.execute("INSERT OR REPLACE INTO finished VALUES (?, ?, ?, ?)", (name, summary, answers, ran))
            self.base.execute("DELETE FROM noted WHERE name = ?", (name,))

    def finished(self, name: str) -> tuple[str, bytes, bytes] | None:
        """Return what `finish` stored under a name: summary, names, and whether each ran."""
        with self._blamed():
            found: tuple[str, bytes, bytes] | None = self.base.execute(
                "SELECT summary, answers, ran FROM finished WHERE name = ?", (name,)).fetchone()
        return found

    def _rows(self, names: Collection[str], columns: str, more: str = "") -> Iterator[tuple[str, list[Any]]]:
        wanted = [bytes.fromhex(name) for name in names]
        for at in range(0, len(wanted), _SOME):
            for name, *rest in self._found(wanted[at:at + _SOME], columns, more):
                yield name.hex(), rest

    def _found(self, names: Sequence[bytes], columns: str, more: str = "") -> Iterator[tuple[Any, ...]]:
        """Yield the names, at most `_SOME`, that there are answers of, with columns of these."""
        query = f"SELECT name, {columns} FROM answers WHERE name IN ({','.join('?' * len(names))}) {more}"
        with self._blamed():
            yield from self.base.execute(query, names)

    def _answer(self, number: int, body: bytes) -> Answer:
        why, reason, error, names = self._head(number)
        return Answer(why, reason, error, body, names)

    def _head(self, number: int) -> Head:
        if number not in self._heads:
            if len(self._heads) > _SOME:
                self._heads.clear()
                self._known.clear()
            text, = self.base.execute("SELECT text FROM heads WHERE number = ?", (number,)).fetchone()
            why, reason, error, names = json.loads(text)
            self._heads[number] = why, reason, error, None if names is None else tuple(names)
        return self._heads[number]

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.base.close()

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if "locked" in str(error):
                raise InputError("is in use by another process; wait for it, or give another output folder",
                                 file=self.path) from None
            raise InputError(f"cannot be used as a store of answers ({error}); give an output folder on a disk with "
                             "room, which you may write to; what was answered is kept", file=self.path) from None
