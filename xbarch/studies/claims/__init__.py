"""The published claims of the papers compared with simulations of the stored networks."""

from xbarch.studies.claims.report import claims

__all__ = ["claims"]
