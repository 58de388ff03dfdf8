"""The JSON Schema agrees with the models: a small validator of its keywords reads the same files."""

import copy
import json
import re

import pytest

from xbarch.specs.architecture import Architecture
from xbarch.specs.load import document
from xbarch.specs.schema import DIALECT, json_schema
from xbarch.support import bundled
from xbarch.workload.zoo import SyntheticRecipe

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float),
         "null": type(None)}
NOTES = {"title", "description", "default", "examples", "$schema", "$defs"}


def conforms(value, node, root):
    """Whether `value` is valid; every keyword that is not an annotation must be known here."""
    if "$ref" in node:
        return conforms(value, root["$defs"][node["$ref"].removeprefix("#/$defs/")], root)
    return all(KEYWORDS[key](value, rule, node, root) for key, rule in node.items() if key not in NOTES)


def of_type(value, rule):
    names = rule if isinstance(rule, list) else [rule]
    return any(isinstance(value, TYPES[n]) and (n == "boolean" or not isinstance(value, bool)) for n in names)


def members(value, node, root):
    if not isinstance(value, dict):
        return True
    rest = dict(value)
    for key, inner in node.get("properties", {}).items():
        if key in rest and not conforms(rest.pop(key), inner, root):
            return False
    for pattern, inner in node.get("patternProperties", {}).items():
        for key in [k for k in rest if re.search(pattern, k)]:
            if not conforms(rest.pop(key), inner, root):
                return False
    other = node.get("additionalProperties", True)
    return all(conforms(v, other, root) for v in rest.values()) if isinstance(other, dict) else other or not rest


def number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


KEYWORDS = {
    "type": lambda v, r, n, root: of_type(v, r),
    "enum": lambda v, r, n, root: v in r,
    "const": lambda v, r, n, root: v == r,
    "anyOf": lambda v, r, n, root: any(conforms(v, option, root) for option in r),
    "required": lambda v, r, n, root: not isinstance(v, dict) or set(r) <= set(v),
    "properties": lambda v, r, n, root: members(v, n, root),
    "patternProperties": lambda v, r, n, root: members(v, n, root),
    "additionalProperties": lambda v, r, n, root: members(v, n, root),
    "propertyNames": lambda v, r, n, root: not isinstance(v, dict) or all(conforms(k, r, root) for k in v),
    "items": lambda v, r, n, root: not isinstance(v, list) or all(conforms(i, r, root) for i in v),
    "minItems": lambda v, r, n, root: not isinstance(v, list) or len(v) >= r,
    "maxItems": lambda v, r, n, root: not isinstance(v, list) or len(v) <= r,
    "minProperties": lambda v, r, n, root: not isinstance(v, dict) or len(v) >= r,
    "maxProperties": lambda v, r, n, root: not isinstance(v, dict) or len(v) <= r,
    "minLength": lambda v, r, n, root: not isinstance(v, str) or len(v) >= r,
    "maxLength": lambda v, r, n, root: not isinstance(v, str) or len(v) <= r,
    "pattern": lambda v, r, n, root: not isinstance(v, str) or re.search(r, v) is not None,
    "minimum": lambda v, r, n, root: not number(v) or v >= r,
    "maximum": lambda v, r, n, root: not number(v) or v <= r,
    "exclusiveMinimum": lambda v, r, n, root: not number(v) or v > r,
    "exclusiveMaximum": lambda v, r, n, root: not number(v) or v < r,
}
SCHEMA = json_schema(Architecture)


def test_dialect_and_serialisable():
    assert SCHEMA["$schema"] == DIALECT
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("name", bundled.names("architectures"))
def test_bundled_architectures_conform(name):
    assert conforms(document(name).data, SCHEMA, SCHEMA)


def test_a_recipe_conforms():
    schema = json_schema(SyntheticRecipe)
    data = document("resnet18_imagenet_synthetic", kind="workloads").data
    assert conforms(data, schema, schema)
    assert not conforms(data | {"sed": 3}, schema, schema)


@pytest.mark.parametrize("path, value", [
    ("crossbar.rows", 0), ("crossbar.rows", "128"), ("crossbar.rows", 1.5), ("crossbar.rows", 4097),
    ("crossbar.clok", 3), ("crossbar.unit_column", 1), ("crossbar.read", 0), ("crossbar.read", None),
    ("crossbar.read", 10**16), ("components.edram.level", "tle"), ("components.Edram", {}), ("components", {}),
    ("schema", "other"), ("schema_", "xbarch.architecture/1"), ("pipeline.stages", []), ("name", "Not A Name"),
    ("components.edram.power", True), ("bus.source", ""),
])
def test_what_the_schema_refuses(path, value):
    data = copy.deepcopy(document("isaac_like").data)
    *parents, last = path.split(".")
    at = data
    for step in parents:
        at = at[step]
    at[last] = value
    assert not conforms(data, SCHEMA, SCHEMA)


@pytest.mark.parametrize("section, key, value", [
    ("crossbar", "read", "100 ns"), ("crossbar", "read", "100000 ps"), ("crossbar", "adcs_per_crossbar", "1/8"),
    ("crossbar", "adcs_per_crossbar", 2), ("buffer", "ideal", True), ("bus", "bandwidth", "10.24 GB/s"),
])
def test_what_it_accepts(section, key, value):
    data = copy.deepcopy(document("isaac_like").data)
    data[section][key] = value
    assert conforms(data, SCHEMA, SCHEMA)


def test_required_keys():
    data = document("isaac_like").data
    for key in data:
        left = {k: v for k, v in data.items() if k != key}
        assert conforms(left, SCHEMA, SCHEMA) == (key == "buffer"), key  # there may be none
