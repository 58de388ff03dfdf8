"""Bounds of what a run can reach, as an answer: the bench runs and stores these as it does the runs themselves."""

from __future__ import annotations

from hashlib import sha256

from xbarch.errors import XbarchError
from xbarch.estimate import Estimate, estimate
from xbarch.request import Contents, Request
from xbarch.run import prepare
from xbarch.studies.runs.answer import CONVERTERS, Answer, Names, compiled, keep_latest
from xbarch.support.defaults import SCOPES

USED = "area.used_nm2"  # whole, so that parts of it can be added up
PACES = "paces"  # a digest
BOUNDED: Names = ("throughput.images_per_second", "latency.first_image_ps",
                  *(f"energy.scopes_aj.{scope}" for scope in SCOPES), USED, "correctness.exact", PACES)
"""Figures of which a bound is known."""


def bounds_name(name: str) -> str:
    """Return the name of a request's bounds. name: the request's own."""
    return sha256(f"bounds of {name}".encode()).hexdigest()


def bounds(request: Request, contents: Contents | None = None) -> Answer:
    """Return the best value that each of `BOUNDED` can have, or why there is none. An answer without figures: no bound
    is known.

    contents: what was read for other requests.
    """
    keep_latest()
    try:
        found = estimate(compiled(prepare(request, contents)))
    except XbarchError as error:
        return Answer.failed(error)
    except Exception as error:
        return Answer.failed(XbarchError(f"{type(error).__name__}: {error}"))
    return Answer.of_values([None] * len(BOUNDED) if found is None else _values(found), "", (*BOUNDED, CONVERTERS))


def _values(found: Estimate) -> list[float | None]:
    return [found.images_per_second, found.first_image_ps, *(found.scopes_aj[scope] for scope in SCOPES),
            found.used_nm2, found.exact, found.paces]
