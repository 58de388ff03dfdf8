"""JSON Schema of spec files, for editors that complete and check while one writes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the YAML that `model` accepts.

    Quantities are text with a unit or whole numbers of the canonical unit. What only the model itself can check
    (that a unit fits its dimension, that a stage's component exists) is left to `load`.
    """
    schema: dict[str, Any] = _standard(model.model_json_schema(by_alias=True, mode="validation"))
    return {"$schema": DIALECT, **schema}


def _standard(node: Any) -> Any:
    """The schema in the standard's own keywords.

    Pydantic writes the bounds of a value that is parsed first (a quantity) as "ge" and "le", and leaves a mapping
    open whose keys must match a pattern.
    """
    if isinstance(node, list):
        return [_standard(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _standard(value) for key, value in node.items() if not (key in ("ge", "le") and _number(value))}
    if _number(node.get("ge")):
        found["minimum"] = max(node["ge"], node.get("minimum", node["ge"]))
    if _number(node.get("le")):
        found["maximum"] = min(node["le"], node.get("maximum", node["le"]))
    if "patternProperties" in found:
        found.setdefault("additionalProperties", False)
    return found


def _number(value: object) -> bool:
    return isinstance(value, int | float)
