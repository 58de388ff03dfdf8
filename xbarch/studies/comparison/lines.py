"""What a comparison runs: every combination, each with the two dense runs that it is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from xbarch.choice import choose_datapath
from xbarch.datapaths.dense import Sign, largest
from xbarch.datapaths.records import Geometry
from xbarch.errors import InputError
from xbarch.machine.build import buildable
from xbarch.mapping.plan import parse_policy
from xbarch.plugins import guard, registry
from xbarch.request import Contents, Request
from xbarch.specs.explain import unknown
from xbarch.specs.study import Study
from xbarch.studies.runs.axes import Variant, blame_field, list_fields, merge_overrides, variants
from xbarch.studies.runs.paths import Placed, check_names, choose, options_of, place, required

DENSE = "dense"


@dataclass(frozen=True)
class Line:
    """The requests of a row."""

    request: Request
    base: Request
    """Dense on the base machine, or the data path that it requires."""
    own: Request | None
    """Dense on the row's own machine; None where that requires another data path."""
    variant: Variant
    """What the axes set."""
    instead: tuple[str, ...] = ()
    """Data paths that do not run, since the architecture requires this one."""


def lines(asked: Study, contents: Contents) -> list[Line]:
    """Return every combination, dense ones first, after checking everything that the study names.

    Raises:
        InputError: an architecture, workload, data path or policy does not exist.
    """
    _check_names(asked, contents)
    needs = {arch: required(contents.named(arch)) for arch in machines(asked)}
    found: dict[Request, Line] = {}
    for workload in asked.workloads:
        paths = choose(asked, contents.workload(workload).datapath, [DENSE])
        on = [(arch, path) for path in paths
              for arch in ([asked.machines[path.name]] if path.name in asked.machines else asked.architectures)]
        for placed in place(asked, on, needs):
            for policy in asked.policies:
                for variant in _variants(asked, [p.name for p in paths], placed.path.name):
                    request = Request(arch=placed.arch, workload=variant.named(workload), datapath=placed.path.name,
                                      policy=policy, **variant.apply(asked.choices, placed.path.options))
                    found.setdefault(request, _line(request, variant, asked, contents, placed, needs))
    return list(found.values())


def _variants(asked: Study, paths: Iterable[str], path: str) -> Iterator[Variant]:
    """Yield the variants of a data path: option axes that only others of the `paths` have do not apply to it."""
    known = registry.datapaths()
    others = {name for each in paths for name in known[each].Options.model_fields}
    foreign = {f"options.{name}" for name in others - set(known[path].Options.model_fields)}
    axes = {}
    for axis, values in asked.axes.items():
        places = [i for i, name in enumerate(list_fields({axis: values})) if name not in foreign]
        if places:
            own = [[value[i] for i in places] if isinstance(value, list) else value for value in values]
            axes[", ".join(list_fields({axis: values})[i] for i in places)] = own
    return variants(axes)


def _check_names(asked: Study, contents: Contents) -> None:
    check_names(asked)
    for name in asked.machines:
        if name not in (known := registry.datapaths()):
            raise InputError(unknown("data path", name, known), field="machines")
    for number, policy in enumerate(asked.policies):
        with blame_field(f"policies.{number}"):
            parse_policy(policy)
    for name in machines(asked):
        with contents.document(name).blamed():  # by file and line
            buildable(contents.spec(name))


def _line(request: Request, variant: Variant, asked: Study, contents: Contents, placed: Placed,
          needs: Mapping[str, str]) -> Line:
    """Return a request with the two dense runs it is compared with: on the base machine, and on its own machine with
    the method's cells and signs and with ADCs of enough bits to lose nothing of these. needs: the data path that each
    architecture requires, or ""."""
    first = asked.architectures[0]
    base = request.changed(arch=first, datapath=needs[first] or DENSE,
                           options=options_of(asked, needs[first] or DENSE), accuracy=None)
    if needs[placed.arch]:
        return Line(request, base, base if placed.arch == first else None, variant, placed.instead)
    path = choose_datapath(contents.workload(request.workload), request.datapath, request.options,
                           contents.encoding(request))
    with guard.asking(path, "matched"):
        options, overrides = path.matched()
    changed = request.changed(overrides=merge_overrides(request.overrides, overrides))
    shape = Geometry.of(contents.architecture(changed)[0].crossbar)
    needed = shape.lossless_bits(largest(shape.ou_rows or shape.rows, shape, cast(Sign, options.get("sign", "offset"))))
    if needed > shape.adc_bits:
        overrides = [*overrides, f"crossbar.adc_bits={needed}"]
    own = request.changed(datapath=DENSE, options=options, accuracy=None,
                          overrides=merge_overrides(request.overrides, overrides))
    return Line(request, base, own, variant, placed.instead)


def machines(asked: Study) -> list[str]:
    """Return every architecture of a study, the base first."""
    return list(dict.fromkeys([*asked.architectures, *asked.machines.values()]))
