"""What was made before, for runs of one process that agree in everything that it follows from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """The latest things made, at most `most`; none are kept unless a program of many runs raises it."""

    def __init__(self, most: int = 0) -> None:
        self.most = most
        self._found: OrderedDict[tuple[object, ...], tuple[list[object], T]] = OrderedDict()

    def get(self, same: Iterable[object], equal: Iterable[object], make: Callable[[], T]) -> T:
        """What `make` makes, or made when it was asked for with the same objects `same`, which never change, and with
        values `equal` of equal text."""
        if not self.most:
            return make()
        held = list(same)
        key = *map(id, held), *map(repr, equal)
        if key not in self._found:
            made = make()
            while len(self._found) >= self.most:
                self._found.popitem(last=False)
            self._found[key] = held, made  # the objects are held, so that their ids stay unique
        self._found.move_to_end(key)
        return self._found[key][1]

    def clear(self) -> None:
        """Keep nothing of what was made so far."""
        self._found.clear()
