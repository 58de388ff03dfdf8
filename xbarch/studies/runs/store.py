"""Answers by the digests of their requests in one SQLite file: one row per request, written whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from xbarch.errors import InputError
from xbarch.request import Request
from xbarch.studies.runs.answer import Answer

_PATIENCE = 60.0  # s to wait while another process writes
_TABLE = """CREATE TABLE IF NOT EXISTS answers (
    name TEXT PRIMARY KEY, request TEXT NOT NULL, why TEXT NOT NULL, reason TEXT NOT NULL, error TEXT NOT NULL,
    packed BLOB NOT NULL) WITHOUT ROWID"""
_COLUMNS = "name, why, reason, error, packed"


class Store:
    """A file of answers. Every `add` is a transaction in a write-ahead log: a killed process loses only answers it had
    not added yet, and processes that share the file wait for one another."""

    def __init__(self, path: Path) -> None:
        """Open the file, or create it.

        Raises:
            InputError: the file cannot be written, or is not a store of answers.
        """
        self.path = path
        with self._blamed():
            path.parent.mkdir(parents=True, exist_ok=True)
            self.base = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
            self.base.execute("PRAGMA journal_mode=WAL")
            self.base.execute("PRAGMA synchronous=NORMAL")  # survives any process; a power cut may cost the last rows
            self.base.execute(_TABLE)
            self.base.execute(f"SELECT {_COLUMNS}, request FROM answers LIMIT 1")

    def add(self, name: str, request: Request, answer: Answer) -> None:
        """Store an answer, unless another process has stored it already (it is the same)."""
        text = request.to_json() if request.plain else ""
        with self._blamed():
            self.base.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?)", (
                name, text, answer.why, answer.reason, answer.error, answer.packed))

    def names(self) -> set[str]:
        """Return the digests of all requests that have an answer."""
        with self._blamed():
            return {name for name, in self.base.execute("SELECT name FROM answers")}

    def answers(self, wanted: Collection[str]) -> dict[str, Answer]:
        """Return the answers that exist for these digests."""
        with self._blamed():
            return {name: Answer(*rest) for name, *rest in self.base.execute(f"SELECT {_COLUMNS} FROM answers")
                    if name in wanted}

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
            raise InputError(f"cannot be used as a store of answers ({error}); give an output folder you may write to",
                             file=self.path) from None
