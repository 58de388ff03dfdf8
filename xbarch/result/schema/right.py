"""Whether the machine computes right, and what it classifies."""

# Annotations are not postponed here: pydantic would compile each of hundreds anew at every start.
from typing import Annotated, Literal

from pydantic import Field, model_validator

from xbarch.result.quantities import Converter, Count, Part, Score, Share, Text
from xbarch.result.schema.limits import LAYERS


class Sufficient(Part):
    """Whether converters suffice for a layer."""

    layer: Text = Field(description="layer")
    adc_bits_built: Converter = Field(description="resolution of the machine's converters")
    adc_bits_needed: Converter = Field(description=(
        "resolution with which no sum of its packing can clip, whatever the inputs: the worst case of its blocks"))
    adc_bits_seen: Converter | None = Field(description=(
        "resolution with which nothing clips on the stored activations; of what the sensing unit keeps, where it drops "
        "low bits; null where the bound is proof enough, or none are stored"))
    clipped_share: Share | None = Field(description=(
        "conversions of used bit lines that saturate / all of them, on the stored activations; 0 where the bound is "
        "proof; null if not known"))
    conversions: Count | None = Field(None, description=(
        "of used bit lines, on the stored activations; null where `adc_bits_seen` is"))


class Correctness(Part):
    """Whether the machine computes what the integer network does."""

    exact: bool = Field(description="true if no conversion clips and none loses low bits, as far as `proof` says")
    proof: Literal["bound", "stored activations", "none"] = Field(description=(
        "`bound`: no conversion can clip, whatever the inputs; `stored activations`: the inputs that are stored with "
        "the workload were driven through the crossbars, layer by layer; `none`: the bound does not fit the converters "
        "and no inputs are stored, so that nothing is known"))
    clipped_share: Share | None = Field(description="of the conversions of all layers; null if not known")
    drops_low_bits: bool = Field(description="true if the sensing unit drops low bits of sums by design")
    noise: bool = Field(False, description="true if the machine has noise, so that it is not exact by design: what is "
                        "said here is said of ideal cells and converters; left out where it is false")
    layers: list[Sufficient] = Field(max_length=LAYERS)


class Measured(Part):
    """A share of test images, or another measure of them, with its interval."""

    value: Score = Field(description="share of the images classified correctly, converter by converter, or `measure`")
    images: Count = Field(description="test images, n")
    interval_95: Annotated[list[Score], Field(min_length=2, max_length=2)] = Field(
        description="limits of the 95 % interval (Wilson, 1927; where devices are drawn, over devices and images; of "
                    "other measures by bootstrap)")
    integer_network: Score = Field(description="the same of the integer network, on the same images")
    measure: Text = Field("top1", description="what `value` is; left out, as `share` and `larger`, where it is the "
                          "share of images that are classified correctly")
    share: bool = Field(True, description="whether it is a share from 0 to 1")
    larger: bool = Field(True, description="whether larger values are better")

    @model_validator(mode="after")
    def _shares(self) -> "Measured":
        if self.share and not all(0 <= each <= 1 for each in (self.value, self.integer_network, *self.interval_95)):
            raise ValueError("value, integer_network and interval_95: must be from 0 to 1, as shares are")
        return self


class Accuracy(Part):
    """Test accuracy of this run."""

    on_this_machine: Measured | None = Field(description=(
        "through this machine's crossbars and converters; null if it was not asked for (`--accuracy N`)"))
