"""What four papers claim, beside what xbarch simulates. Callable: `xbarch.claims(out="reports/claims")`.

Data in `published`, runs in `bench`, gains and their decomposition in `figures`, what a chip holds in `chips`, the
report's files in `pages` and `picture`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """See `xbarch.studies.claims.report.claims`."""
        from xbarch.studies.claims.report import claims

        return claims(*arguments, **named)


sys.modules[__name__].__class__ = _Callable
