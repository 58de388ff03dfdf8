"""What is simulated beside silicon and other tools' numbers (`xbarch report validation`)."""

from xbarch.studies.validation.report import validation
from xbarch.studies.validation.row import Row

__all__ = ["Row", "validation"]
