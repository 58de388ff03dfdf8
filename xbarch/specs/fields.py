"""Fields that many specs have: names, remarks, citations, ratios."""

# Annotations are not postponed here: pydantic would compile each of hundreds anew at every start.
from fractions import Fraction
from typing import Annotated

from pydantic import BeforeValidator, Field

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]
Text = Annotated[str, Field(min_length=1, max_length=600)]
Source = Annotated[str, Field(min_length=3, max_length=600,
                              description="Citation: paper and table or section, or 'assumed: why'.")]


def _ratio(value: object) -> object:
    """A positive whole number or a fraction such as "1/4", kept as text in lowest terms."""
    text = str(value)
    if isinstance(value, bool) or len(text) > 24:
        raise ValueError(f"must be a whole number or a fraction such as 1/4, not {text[:40]!r}")
    try:
        ratio = Fraction(text) if "." not in text and "e" not in text.lower() else None
    except (ValueError, ZeroDivisionError):
        ratio = None
    if ratio is None or not 0 < ratio <= 10**7:
        raise ValueError(f"must be a whole number from 1 to 10,000,000 or a fraction such as 1/4, not {text!r}")
    return str(ratio)


Ratio = Annotated[str, BeforeValidator(_ratio), Field(json_schema_extra={"type": ["integer", "string"]})]
