"""Names of workloads and layers: they become names of folders and tensors."""

from __future__ import annotations

import re

from xbarch.errors import InputError
from xbarch.specs.text import brief

PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*$"
LONGEST = 200


def check_name(name: str, noun: str, *, file: object = None, field: str = "") -> None:
    """Refuse a name that cannot be stored.

    Raises:
        InputError: with `noun`, what bears the name ("workload", "layer"), placed at `file` or `field`.
    """
    if len(name) > LONGEST or not re.fullmatch(PATTERN[1:-1], name):
        raise InputError(f"the name of a {noun} must be letters, digits, '_', '.' and '-', up to {LONGEST} characters "
                         f"in all, not {brief(name)!r}", file=file, field=field)
