"""What `show` says of a name: an architecture, a workload, a study, a sweep, a recipe or a plugin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from xbarch.cli.catalog import entries, plugin, tree, workload
from xbarch.cli.names import members
from xbarch.errors import InputError
from xbarch.machine.build import buildable
from xbarch.plugins import kinds, registry
from xbarch.result import words
from xbarch.specs.grid import Grid
from xbarch.specs.grid import members as grid_members
from xbarch.specs.kinds import checked, read
from xbarch.specs.load import Document, document, validate
from xbarch.specs.noise import Noise
from xbarch.specs.text import brief
from xbarch.support import bundled, numbers
from xbarch.workload.store import MANIFEST, read_manifest, to_layer
from xbarch.workload.zoo import SyntheticRecipe

_NOUNS = {"architectures": "an architecture", "workloads": "a workload", "studies": "a study, sweep or search",
          "datapaths": "a data path", "sensing": "a sensing unit", "scaling": "a scaling model",
          "topologies": "a topology", "processes": "a unit process", "effects": "an effect", "noise": "a noise preset"}
_HEAD = ("schema", "kind", "title", "description")  # keys that the head line has
_LONGEST = 400  # letters of a value

Described = dict[str, Any]


def described(name: str, overrides: Sequence[str] = ()) -> list[Described]:
    """Describe everything that is called `name`, a file's path included, architectures (as `catalog.tree`) first. Each
    has a key "kind", and "details" (label: text) or "options" where there are some.

    Raises:
        InputError: nothing has that name, it cannot be read, or `overrides` change something else than an architecture.
    """
    found = list(_files(name, overrides))
    if not Path(name).is_file():
        found += _plugins(name)
    if not found:
        raise _unknown(name)
    if overrides and found[0]["kind"] != "architecture":
        raise InputError(f"only an architecture can be changed, {name} is a {found[0]['kind']}", field="--set")
    return found


def _plugins(name: str) -> Iterator[Described]:
    for kind in kinds.KINDS:
        if (named := registry.find(kind, name)) is not None:
            options = [{"name": option, "what": f.description or "", "default": "required" if f.is_required() else str(
                f.get_default(call_default_factory=True))} for option, f in named.Options.model_fields.items()]
            yield {"kind": kind.noun, **plugin(kind, name), "options": options}


def _files(name: str, overrides: Sequence[str]) -> Iterator[Described]:
    """Describe the file at the path `name`, or what is known by that name."""
    if Path(name).is_file():
        [found] = read(name)
        yield _file(found, name, name, overrides)
        return
    place = bundled.find(name, "architectures", (".yaml",))
    if place is not None and not place.is_dir():  # a folder of that name here hides none
        yield {"kind": "architecture", **tree(name, overrides)}
    if (place := bundled.find(name, "workloads", ("", ".yaml"))) is not None:
        origins = bundled.known("workloads")
        known = workload(name, origins[name]) if name in origins else {}
        if (place / MANIFEST).is_file():
            yield _stored(place, name, origins.get(name.partition("/")[0], str(place))) | known
        elif place.is_file():
            yield _file(document(place, kind="workloads"), name, str(place)) | known | {"kind": "workload"}
    if (place := bundled.find(name, "noise", (".yaml",))) is not None and place.is_file():
        yield _preset(document(place, kind="noise"), name, bundled.known("noise")[name])
    if (place := bundled.find(name, "studies", (".yaml",))) is not None and place.is_file():
        yield _file(document(place, kind="studies"), name, bundled.known("studies")[name])


def _file(found: Document, name: str, origin: str, overrides: Sequence[str] = ()) -> Described:
    """Describe a YAML file by its kind and its values."""
    kind = checked(found, overrides, {"synthetic": SyntheticRecipe}, buildable).kind
    if kind == "architecture":
        return {"kind": kind, **tree(name, overrides)}
    noun = kind if kind in ("grid", "study", "sweep", "search") else f"{kind} recipe"
    known = {key: value for key, value in found.data.items() if key not in _HEAD}
    return {"kind": noun, "name": name, "from": origin, "source": str(found.data.get("source", "")),
            "summary": str(found.data.get("title") or found.data.get("description") or ""),
            "details": _grid(found) if kind == "grid" else dict(_details(known))}


def _preset(found: Document, name: str, origin: str) -> Described:
    """Describe a noise preset by its values."""
    noise = validate(found, Noise)
    known = {key: value for key, value in found.data.items() if key not in ("summary", "source")}
    return {"kind": "noise preset", "name": name, "summary": noise.summary or "", "source": noise.source or "",
            "from": origin, "details": dict(_details(known))}


def _grid(found: Document) -> dict[str, str]:
    """Name the parts of a grid of recipes and its stored workloads."""
    grid, folder = validate(found, Grid), Path(found.file).with_suffix("")
    recipes = grid_members(grid, found)
    stored = [name for name in recipes if (folder / name / MANIFEST).is_file()]
    return {"networks": ", ".join(grid.networks), "methods": ", ".join(grid.methods), "recipes": str(len(recipes)),
            f"stored, as {folder.name}/NAME": ", ".join(stored) or "none yet"}


def _details(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Write nested values as lines "a.b" -> text."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _details(value, f"{above}{key}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield f"{above}{key}", brief(text, _LONGEST)


def _stored(place: Path, name: str, origin: str) -> Described:
    """Describe a stored workload by its manifest."""
    m = read_manifest(place)
    options = ", ".join(f"{key}: {value}" for key, value in m.options.items())
    compute = [layer for layer in map(to_layer, m.layers) if layer.compute]
    again = sum(bool(layer.shares) for layer in compute)
    count = sum(layer.rows * layer.filters for layer in compute if not layer.shares)
    details = {
        "data path": f"{m.datapath} ({options})" if options else m.datapath,
        "trained on": m.trained_on or "nothing: SYNTHETIC weights",
        "layers": f"{len(compute)} with weights of {len(m.layers)}",
        "weights": numbers.number(count) + (
            f"; {numbers.count(again, 'layer')} share them with an earlier call of the module" if again else ""),
        "multiply-accumulates per image": numbers.number(sum(layer.macs for layer in compute)),
        "test images stored": str(m.images),
        **{f"{words.named(m.measure)}, {key}": words.value(value, m.measure) for key, value in m.accuracy.items()},
    }
    return {"kind": "workload", "name": name, "summary": m.description or "trained", "source": m.source,
            "from": origin, "details": details}


def _unknown(name: str) -> InputError:
    """Say that nothing has this name, with the closest that something has."""
    nouns = {entry["name"]: _NOUNS[kind] for kind, known in entries().items() for entry in known}
    nouns |= dict.fromkeys(members(), _NOUNS["workloads"])
    wanted = name if name in nouns or "/" in name else Path(name).name.removesuffix(".yaml")
    close = get_close_matches(wanted[:64], nouns, 1)
    guess = f"; did you mean {close[0]!r} ({nouns[close[0]]})?" if close else ""
    return InputError(f"no such file, and nothing is known by that name{guess or '; `xbarch list` prints the names'}",
                      file=brief(name, 200))
