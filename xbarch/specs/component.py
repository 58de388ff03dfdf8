"""Hardware with its prices, as data."""

# Annotations are not postponed here: pydantic would compile each of hundreds anew at every start.
from fractions import Fraction
from typing import Any, Literal

from pydantic import ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from xbarch.specs.fields import Name, Ratio, Source, Text
from xbarch.specs.model import Spec
from xbarch.units import Area, Energy, Power, Time

ACTION_ENERGIES = (10, 10**12)
"""aJ, of one action of a component: from the read of a resistive cell (27 aJ in Li et al., TIMELY, ISCA 2020, the
smallest price known here) to a microjoule, as much as whole layers take."""


class Scaled(Spec):
    """A registered model that a component's price follows, with its options beside its name."""

    model_config = ConfigDict(extra="allow")

    model: Name = Field(description="as `xbarch list` names them")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        """The name alone means a model without options."""
        return {"model": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(core)]}

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


_PAYS = ("action", "power", "energy", "actions", "per")  # what an action's price is made of


class Component(Spec):
    """Hardware of one kind in one parent of its level.

    `power` and `area` are totals of the `count` instances. An action costs `energy`, or, where only the power
    at full activity is published, power * per / actions: the group does `actions` of them in `per` then. Of an action
    with `energy`, power follows where it is not stated, from `actions` and `per` or from the rate of the machine
    (`xbarch.cost.nameplate.full_power`). `constant: true` marks power drawn all the time (no action).
    """

    level: Literal["chip", "tile", "ima"]
    count: Ratio
    area: Area
    power: Power | None = Field(None, description="at full activity, of all `count`; none: follows from `energy`")
    action: Name | None = None
    actions: int | None = Field(default=None, ge=1, le=10**12)
    per: Time | None = None
    energy: Energy | None = None
    constant: bool = False
    covers: list[Name] = Field(default=[], max_length=50, description="further actions whose price is in this one's")
    leakage: Power = Field(0, description="drawn by all `count` in an occupied parent, beside the actions' energy")
    gated: bool = Field(False, description="leaks only while it works")
    scope: Literal["compute", "chip", "whole"] = "compute"
    bits: int | None = Field(default=None, ge=1, le=16, description="of an ADC: the resolution its price is for")
    of: dict[str, Any] = Field(
        default={}, max_length=50, description="fields of the machine that the price is written for, where they differ "
                                               "from this one's, such as crossbar.rows: 128")
    scaling: Scaled | None = Field(
        default=None, description="how its price follows what is built: a registered model, by its name or with its "
                                  "options; none: the default model of its action")
    when: Literal["scales"] | None = Field(
        default=None, description="built only where needed, no part of the nameplate; scales: the workload multiplies "
                                  "sums by scales that are no powers of two")
    note: Text | None = None
    source: Source

    @model_validator(mode="after")
    def _priced(self) -> "Component":
        if self.constant:
            if self.action or self.actions or self.per is not None or self.energy is not None or self.covers:
                raise ValueError("constant power takes no action, actions, per, energy or covers")
            if self.power is None:
                raise ValueError("constant: true needs power")
        else:
            self._paid_once()
        if self.constant and self.leakage:
            raise ValueError("leakage: must be left out of constant power, which is drawn all the time anyway")
        if self.gated and not self.leakage:
            raise ValueError("gated: needs leakage, the power that is gated")
        return self

    def _paid_once(self) -> None:
        """Refuse an action without an energy, or with two."""
        rated = self.actions is not None and self.per is not None
        if (self.actions is None) != (self.per is None):
            raise ValueError(f"actions and per belong together, but {'actions' if self.per is not None else 'per'} is "
                             "missing; to take an inherited one away, set it to null")
        if self.action is None or (self.energy is None and (self.power is None or not rated)):
            raise ValueError("needs an action with energy, an action with power, actions and per, or constant: true "
                             "with power; "
                             f"it has {', '.join(key for key in _PAYS if getattr(self, key) is not None) or 'none'}")
        if self.energy is not None and self.power is not None and rated:
            raise ValueError("states the energy of an action twice, by energy and by power, actions and per; take "
                             "one away: `power: null` (it then follows from the energy), or `actions: null` with "
                             "`per: null`, or `energy: null`")
        self._plausible()

    def _plausible(self) -> None:
        """Refuse a price in the wrong unit, and an action that pays for itself twice."""
        if self.action in self.covers:
            raise ValueError(f"covers: {self.action} is the action whose price it states; take it out of the list")
        low, high = ACTION_ENERGIES
        if self.energy_aj and not low <= self.energy_aj <= high:
            raise ValueError(f"an action {self.action} would cost {self.energy_aj:,} aJ; hardware takes {low} to "
                             f"{high:,} aJ, so a unit may be wrong (1 pJ is 1,000,000 aJ)")

    @property
    def scaling_model(self) -> str:
        """Name of its scaling model; empty without one."""
        return self.scaling.model if self.scaling else ""

    @property
    def energy_aj(self) -> int:
        """Energy of one action (aJ), rounded once. 1 µW * 1 ps = 1 aJ."""
        if self.energy is not None:
            return self.energy
        if self.actions is None or self.per is None or self.power is None:
            return 0
        return round(Fraction(self.power * self.per, self.actions))
