"""FORMS (Yuan et al. 2021): fragments of a few rows and one sign; input zeros are skipped."""

from xbarch.datapaths.forms.path import Forms, FormsOptions
from xbarch.datapaths.forms.reads import cuts, effective

__all__ = ["Forms", "FormsOptions", "cuts", "effective"]
