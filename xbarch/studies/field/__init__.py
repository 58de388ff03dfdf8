"""All methods compared: compression at equal loss of accuracy, and what it brings in hardware."""

from xbarch.studies.field.report import field

__all__ = ["field"]
