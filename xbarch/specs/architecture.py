"""An accelerator as data, checked as a whole. Every model that it is made of refuses unknown keys, bounds every number
and, where it holds published constants, demands a source."""

# Annotations are not postponed here: pydantic would compile each of hundreds anew at every start.
from typing import get_args

from pydantic import model_validator

from xbarch.specs.chip import Chip, Unit
from xbarch.specs.moves import refuse_moves, refuse_units
from xbarch.specs.tile_kinds import refuse_kinds

_SERVING = ("edram", "bus", "tile_shift_add", "activation", "maxpool")  # what of a tile is known to be busy or not


class Architecture(Chip):
    """A whole accelerator."""

    @model_validator(mode="after")
    def _consistent(self) -> "Architecture":
        for name, component in self.components.items():
            if component.gated and component.level != "ima" and name not in _SERVING:
                raise ValueError(f"components.{name}.gated: must be false at level {component.level}; gated are "
                                 f"components of level ima, and {', '.join(_SERVING)}")
        refuse_moves(self)
        refuse_units(self, get_args(Unit))
        self._refuse_noise()
        if self.kinds:
            refuse_kinds(self)
        if self.crossbars > 10**8:
            raise ValueError(f"hierarchy: must make at most 100,000,000 crossbars, not {self.crossbars:,}")
        return self

    def _refuse_noise(self) -> None:
        """Refuse noise that was measured on other cells."""
        bits = None if self.noise is None else self.noise.cell_bits
        if self.noise is not None and bits is not None and bits != self.crossbar.cell_bits:
            raise ValueError(f"noise.cell_bits: {self.noise.preset or 'the noise'} is for cells of {bits} bits, but "
                             f"crossbar.cell_bits is {self.crossbar.cell_bits}; choose noise for these cells")
