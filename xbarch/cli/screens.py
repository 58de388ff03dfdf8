"""What `list` and `show` print, to the width of the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from rich.console import Console
from rich.text import Text

from xbarch.cost.defaults import spoken_point
from xbarch.installation import Finding
from xbarch.render import tables
from xbarch.support import numbers
from xbarch.support.wrapping import wrapped

_NAME = 40  # letters of a name before texts beside it give way
_GAP = "  "

Entries = Mapping[str, Sequence[Mapping[str, str]]]


def show_catalog(entries: Entries, long: bool) -> None:
    """Print every kind with a line per name; long: summaries in full, sources and origins."""
    console = tables.console()
    for number, (kind, rows) in enumerate(entries.items()):
        if number:
            console.print()
        if long:
            tables.echo(console, tables.table(
                kind, ["name", "summary", "source", "from"],
                [(e["name"], e["summary"], e["source"], e["from"]) for e in rows], 4))
        else:
            _print_pairs(console, kind, [(e["name"], _summary(e)) for e in rows], brief=True)


def show_names(entries: Entries) -> None:
    """Print the names of every kind, and how to learn more."""
    console = tables.console()
    for kind, rows in entries.items():
        console.print(Text(kind, style="bold"))
        names = ", ".join(numbers.plain(e["name"]) for e in rows)
        for line in wrapped(names, console.width - len(_GAP)):
            console.print(Text(f"{_GAP}{line}"))
    tables.echo(console, Text("`xbarch list KIND` adds summaries, `--filter WORDS` looks for words."))


def _summary(entry: Mapping[str, str]) -> str:
    """Of what does not come with xbarch, after its origin."""
    return entry["summary"] if entry["from"] == "xbarch" else f"[{entry['from']}] {entry['summary']}"


def _print_pairs(console: Console, title: str, rows: Sequence[tuple[str, str]], brief: bool = False) -> None:
    """Print names with their texts beside them; brief: a text is cut to the line."""
    names = min(max((len(name) for name, _ in rows), default=0), _NAME, console.width // 2)
    room = max(console.width - names - len(_GAP), len(_GAP))
    console.print(Text(title, style="bold"))
    for name, text in rows:
        lines = wrapped(numbers.plain(text), room, 1 if brief else None) or [""]
        for first, second in zip_longest(wrapped(numbers.plain(name), names), lines, fillvalue=""):
            console.print(Text(f"{first:{names}}{_GAP}{second}".rstrip()))


def show_described(found: Sequence[Mapping[str, Any]]) -> None:
    """Print everything that has a name."""
    console = tables.console()
    for number, each in enumerate(found):
        if number:
            console.print()
        architecture = each["kind"] == "architecture"
        source = f" ({each['source']})" if each["source"] else ""
        name = each["name"] if architecture else f"{each['kind']} {each['name']}"
        tables.echo(console, Text(numbers.plain(f"{name}: {each['summary']}{source}")),
                    Text(numbers.plain(f"from {each['from']}")))
        if architecture:
            changed = f", changed: {', '.join(each['changed'])}" if each["changed"] else ""
            tables.echo(console, Text(numbers.plain(f"as built: {each['built']}{changed}")))
            _show_tree(console, each)
        if each.get("options"):
            console.print()
            tables.echo(console, tables.table("Options", ["name", "default", "meaning"], [
                (o["name"], o["default"], o["what"]) for o in each["options"]], 3))
        if each.get("details"):
            console.print()
            _print_pairs(console, "Contents", list(each["details"].items()))


def _price(row: Mapping[str, Any]) -> str:
    if not row["paid_by"]:
        return ""
    return f"in that of {row['paid_by']}" if row["covered"] else numbers.energy(row["energy_aj"])


def _show_tree(console: Console, tree: Mapping[str, Any]) -> None:
    """Print an architecture's components with counts, area and power."""
    rows = tree["components"]
    def named(row: Mapping[str, Any], key: str = "component") -> str:
        return f"{row[key]} ({row['kind']})" if "kind" in row else str(row[key])

    components = [(named(r), r["level"], r["action"], r["count"], r["instances"], f"{r['area_mm2']:.5g}",
                   f"{r['power_mw']:.5g}", numbers.energy(r["energy_aj"]) if r["energy_aj"] else "") for r in rows]
    parts = [("Components run by a unit process", list(tree["processes"].items()))] if tree["processes"] else []
    if tree["dataflow"]:
        parts.insert(0, ("Data movement", [(line, "") for line in tree["dataflow"]]))
    if tree["units"]:
        parts.insert(0, ("Shared units: one of", list(tree["units"].items())))
    if path := tree["datapath"]:
        options = ", ".join(f"{name}: {value}" for name, value in path["options"].items())
        parts.append((f"Data path of {'every workload' if path['required'] else 'workloads that choose none'}",
                      [(path["name"], options)]))
    if tree["kinds"]:
        parts.append(("Layers that tiles of each kind take", [
            (kind, takes if isinstance(takes := of["takes"], str) else ", ".join(takes))
            for kind, of in tree["kinds"].items()]))
    parts += [("Nameplate, all components at full activity",
               [(name, f"{value:.5g}") for name, value in tree["nameplate"].items()]),
              ("Sources of what has no action",
               [(named(r), r["source"]) for r in rows if r["action"] == "constant"])]
    console.print()
    tables.echo(console, tables.table(
        "Components of a chip; area and power of all instances together",
        ["component", "level", "action", "per level", "per chip", "area mm²", "power mW", "energy per action"],
        components, 3))
    console.print()
    tables.echo(console, tables.table(
        "Actions: each is charged to all who are paid for it", ["action", "emitted by", "paid by", "price", "source"],
        [(named(r, "action"), r["emitted_by"], r["paid_by"] or "nobody: layers that need it are refused", _price(r),
          r["source"]) for r in tree["actions"]], 5))
    if unknown := [(named(r), "its rate at full activity is not known; state `power`, or `actions` and `per`")
                   for r in rows if not r["power_known"]]:
        parts.insert(0, ("Power unknown, not part of the nameplate", unknown))
    if unlike := [(named(r), spoken_point(r["written_for"])) for r in rows if r["written_for"]]:
        parts.insert(0, ("Prices not for this geometry, as no model scales them; written for", unlike))
    for title, pairs in filter(lambda part: part[1], parts):
        console.print()
        _print_pairs(console, title, pairs)


_STATES = {"ok": "", "missing": "–", "wrong": "!"}


def show_findings(findings: Sequence[Finding]) -> None:
    """What an installation has, part by part; what can be mended, with how."""
    console = tables.console()
    for part in dict.fromkeys(finding.part for finding in findings):
        own = [finding for finding in findings if finding.part == part]
        _print_pairs(console, part, [(f"{_STATES[f.state]} {f.what}".strip(), f.value) for f in own])
    for finding in findings:
        if finding.cure:
            tables.echo(console, Text(numbers.plain(f"{finding.what}: {finding.cure}"),
                                      style="red" if finding.state == "wrong" else ""))
