"""What `-v` prints: the messages of the logger "xbarch", on standard error."""

from __future__ import annotations

import logging
import sys

from xbarch.cli.terminal import printable


class _Lines(logging.Handler):
    """Write each message as a line, a traceback as several; to the stream that is standard error at the time, which a
    progress bar replaces."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            for line in self.format(record).splitlines():  # several of a traceback
                sys.stderr.write(f"{record.name}: {printable(line)}\n")
        except OSError:
            self.handleError(record)


class Verbose:
    """Print messages until closed. level: 1 for what was done, 2 or more for details."""

    def __init__(self, level: int) -> None:
        self._log, self._handler = logging.getLogger("xbarch"), _Lines()
        self._before = self._log.level
        self._log.setLevel(logging.INFO if level == 1 else logging.DEBUG)
        self._log.addHandler(self._handler)

    def close(self) -> None:
        """Leave the logger as it was found."""
        self._log.removeHandler(self._handler)
        self._log.setLevel(self._before)
