"""Studies: which architectures, workloads, data paths and policies a comparison puts side by side."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from xbarch.specs.model import Spec
from xbarch.specs.recipe import Text

Name = Annotated[str, Field(min_length=1, max_length=4096)]


class Study(Spec):
    """Every workload on every architecture by every data path under every policy, as far as they take each other.

    datapaths: names; `own`, each workload's own; `all`, every registered one. Dense packing is always added: it is
    what gains are over. The first architecture is the base machine. machines: architectures of their own for data
    paths that need one, which then run on no other.
    """

    kind: Literal["study"] = "study"
    title: Text = "Comparison"
    description: Text = ""
    architectures: list[Name] = Field(min_length=1, max_length=50)
    workloads: list[Name] = Field(min_length=1, max_length=500)
    datapaths: list[Name] = Field(["own"], min_length=1, max_length=200)
    machines: dict[Name, Name] = Field({}, max_length=200, description="data path: architecture")
    policies: list[Name] = Field(["fit"], min_length=1, max_length=20)
    images: int = Field(8, ge=1, le=10_000)
