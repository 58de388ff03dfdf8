"""The published claims of the papers beside what the stored networks give here."""

from xbarch.studies.claims.report import claims

__all__ = ["claims"]
