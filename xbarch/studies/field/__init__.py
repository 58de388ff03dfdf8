"""The whole field on one bench: what its methods reach at equal loss of accuracy, and what hardware makes of that."""

from xbarch.studies.field.report import field

__all__ = ["field"]
