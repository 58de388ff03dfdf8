"""Saved records of earlier schemas in the keys of the present one; `docs/schema.md` has the policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from xbarch.result.schema import SCHEMA
from xbarch.support.defaults import SCOPES

Document = Mapping[str, Any]

RENAMED = {  # in xbarch.result/2
    "latency.interval_ps": "latency.pipeline_interval_ps",
    "latency.interval_95_ps": "latency.pipeline_interval_95_ps",
    "segments[].interval_ps": "segments[].pipeline_interval_ps",
    "effective.tops_per_w": "effective.tops_per_w_by_scope.whole",
    "dense_equivalent.tops_per_w": "dense_equivalent.tops_per_w_by_scope.whole",
}


def _from_1(document: Document) -> Document:
    changed = {**document, "schema": "xbarch.result/2"}
    for part in ("latency", "segments"):
        if part in document:
            changed[part] = _pipeline(document[part])
    for part in ("effective", "dense_equivalent"):
        if part in document:
            changed[part] = _scoped(document[part], document)
    return changed


def _scoped(value: Any, document: Document) -> Any:
    """`tops_per_w`, which was of scope whole, by scope: the same operations over the energy of each."""
    try:
        whole, energies = value["tops_per_w"], document["energy"]["scopes_aj"]
        programmed = ((document.get("programming") or {}).get("per_image") or {}).get("energy_aj", 0) \
            if document.get("segments") else 0
        by_scope = {scope: whole * (energies["whole"] + programmed) / (energies[scope] + programmed)
                    if energies[scope] + programmed else None for scope in SCOPES}
    except (AttributeError, KeyError, TypeError):  # the model says what is wrong
        return value
    return {**{key: below for key, below in value.items() if key != "tops_per_w"}, "tops_per_w_by_scope": by_scope}


def _pipeline(value: Any) -> Any:
    """`interval_ps` and `interval_95_ps` as `pipeline_...`, in a mapping or a list of them; all else as it is."""
    if isinstance(value, list):
        return [_pipeline(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    return {f"pipeline_{key}" if key in ("interval_ps", "interval_95_ps") else key: below
            for key, below in value.items()}


MIGRATIONS: dict[str, Callable[[Document], Document]] = {"xbarch.result/1": _from_1}
READABLE = (SCHEMA, *MIGRATIONS)


def migrated(document: Document) -> Document:
    """A document of a schema in `READABLE` in the present one, one step after another."""
    while (step := MIGRATIONS.get(document["schema"])) is not None:
        document = step(document)
    return document
