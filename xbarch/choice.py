"""Which data path a run has: the request's, the workload's own or the one that the architecture names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xbarch.datapaths.base import DataPath
from xbarch.errors import InputError
from xbarch.plugins import registry
from xbarch.specs.chip import Encoding
from xbarch.specs.explain import shown
from xbarch.workload.graph import Workload


def choose_datapath(network: Workload, datapath: str | None, options: Mapping[str, Any] | None,
                    wanted: Encoding | None = None) -> DataPath:
    """Return the data path of that name; None: the workload's own, with its stored options. wanted: the one that the
    architecture names; a workload without a method of its own has that one, and if it is required, every workload.

    Raises:
        InputError: there is no such data path, it does not take an option, or the architecture requires another.
    """
    if wanted is not None and wanted.required:
        _refuse_other(wanted, datapath, options or {})
    stored = network.datapath != "dense" or network.options  # a workload of no method is stored as plain `dense`
    if wanted is not None and (wanted.required or datapath == wanted.name or (
            datapath is None and (not stored or network.datapath == wanted.name))):
        own = network.options if network.datapath == wanted.name else {}
        said = {**own, **wanted.options} if wanted.required else {**wanted.options, **own}
        return registry.datapath(wanted.name, {**said, **(options or {})})
    name = network.datapath if datapath is None else datapath
    if name != network.datapath:
        return registry.datapath(name, options)
    try:
        own_path = registry.datapath(name, network.options)
    except InputError as error:  # the fault lies in the stored workload
        if error.file is not None or not network.file:
            raise
        raise InputError(error.message, file=network.file, field=error.field) from None
    return registry.datapath(name, {**network.options, **options}) if options else own_path


def chosen_options(path: DataPath, network: Workload, datapath: str | None,
                   wanted: Encoding | None = None) -> dict[str, Any]:
    """Return the options of a request's data path that are other than if the request had given none: a run's name has
    them. datapath, wanted: as of `choose_datapath`."""
    unasked = choose_datapath(network, datapath, {}, wanted).options.model_dump()
    return {name: value for name, value in path.options.model_dump().items() if value != unasked.get(name)}


def _refuse_other(wanted: Encoding, datapath: str | None, options: Mapping[str, Any]) -> None:
    if datapath not in (None, wanted.name):
        raise InputError(f"must be {wanted.name}, which the architecture requires, not {shown(datapath)}; leave it out",
                         field="datapath")
    for name, value in options.items():
        if name in wanted.options and value != wanted.options[name]:
            raise InputError(f"must be {wanted.options[name]}, as the architecture requires, not {shown(value)}",
                             field=f"options.{name}")
