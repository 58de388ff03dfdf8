"""What is known of a sweep's points, in one SQLite file: a row a point, there whole or not at all."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from xbarch.errors import InputError

_PATIENCE = 60.0  # s to wait for another process that writes
_TABLE = """CREATE TABLE IF NOT EXISTS points (
    name TEXT PRIMARY KEY, point TEXT NOT NULL, why TEXT NOT NULL, figures TEXT NOT NULL) WITHOUT ROWID"""


@dataclass(frozen=True)
class Answer:
    """Of a point: why it does not run, empty if it does; then its numbers by their paths in `result.json`."""

    why: str
    figures: Mapping[str, float]


class Store:
    """Answers by the names of points. Every `add` is a transaction in a write-ahead log: who is killed loses at most
    what was not added yet, and processes that share the file wait for one another."""

    def __init__(self, path: Path) -> None:
        """Open, or make, the file.

        Raises:
            InputError: it cannot be written, or is something else.
        """
        self.path = path
        with self._blamed():
            path.parent.mkdir(parents=True, exist_ok=True)
            self.base = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
            self.base.execute("PRAGMA journal_mode=WAL")
            self.base.execute("PRAGMA synchronous=NORMAL")  # survives any process; a power cut may cost the last rows
            self.base.execute(_TABLE)
            self.base.execute("SELECT name, point, why, figures FROM points LIMIT 1")

    def add(self, name: str, point: str, answer: Answer) -> None:
        """Keep an answer; the first one, where another process was sooner (it is the same)."""
        with self._blamed():
            self.base.execute("INSERT OR IGNORE INTO points VALUES (?, ?, ?, ?)", (
                name, point, answer.why, json.dumps(dict(answer.figures), allow_nan=False)))

    def names(self) -> set[str]:
        """Of the points that are known."""
        with self._blamed():
            return {name for name, in self.base.execute("SELECT name FROM points")}

    def answers(self) -> dict[str, Answer]:
        """By name."""
        with self._blamed():
            return {name: Answer(why, json.loads(figures)) for name, why, figures in self.base.execute(
                "SELECT name, why, figures FROM points")}

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.base.close()

    @contextmanager
    def _blamed(self) -> Iterator[Any]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise InputError(f"cannot be used as the store of a sweep ({error}), allowed a place you may write to",
                             file=self.path) from None
