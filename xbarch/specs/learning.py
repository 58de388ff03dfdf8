"""How a network is trained, as data: optimizer and schedule, augmentation, distillation, hardware."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from xbarch.specs.model import Spec


class Grown(Spec):
    """Fields of `late` came after others. A dump leaves them out where they have their default, so that digests of
    older recipes, and the checkpoints and workloads made from them, stay valid."""

    late: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_late_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = handler(self)
        return {key: value for key, value in found.items() if key not in self.late
                or getattr(self, key) != type(self).model_fields[key].get_default(call_default_factory=True)}


class Augment(Spec):
    """How training images are changed at random."""

    flip: bool = Field(True, description="left and right, half of the images")
    shift: int = Field(4, ge=0, le=256, description="by up to as many pixels, zeros moving in")
    area: float | None = Field(None, gt=0, le=1, description="least share of the image's area that a random crop of "
                               "an aspect ratio of 3:4 to 4:3 keeps, enlarged to the whole size (Szegedy et al., 2015)")
    mixup: float = Field(0.0, ge=0, le=10, description="alpha of mixup (Zhang et al., ICLR 2018): images and labels "
                         "are mixed with another's by shares drawn from Beta(alpha, alpha); 0: none")


class Training(Grown):
    """Stochastic gradient descent with momentum, or Adam."""

    late: ClassVar[frozenset[str]] = frozenset({"optimizer", "accumulate", "save_every"})

    epochs: int = Field(ge=1, le=10_000)
    rate: float = Field(gt=0, le=10, description="learning rate at the start")
    schedule: Literal["cosine", "steps", "constant"] = "cosine"
    steps: list[int] = Field(default_factory=list, description="steps: epochs after which the rate falls")
    factor: float = Field(0.1, gt=0, lt=1, description="steps: what the rate is multiplied by")
    optimizer: Literal["sgd", "adam"] = Field("sgd", description="adam: Kingma and Ba (ICLR 2015), beta2 = 0.999")
    momentum: float = Field(0.9, ge=0, lt=1, description="of adam: beta1")
    weight_decay: float = Field(5e-4, ge=0, le=1)
    batch: int = Field(64, ge=2, le=65_536, description="images per step, of all processes together")
    accumulate: int = Field(1, ge=1, le=65_536, description="parts of a batch that go through the network one after "
                            "another; their gradients add up")
    save_every: int | None = Field(None, ge=1, le=10**9, description="batches between checkpoints within an epoch; "
                                   "none: one after each epoch")

    @model_validator(mode="after")
    def _divisible(self) -> Training:
        if self.accumulate > 1 and (self.batch % self.accumulate or self.batch // self.accumulate < 2):
            raise ValueError(f"accumulate: must divide {self.batch} (batch) into parts of two or more images, not "
                             f"{self.accumulate}")
        return self


class Distill(Spec):
    """The trained dense network teaches the pruned one (Hinton et al., 2015): the loss is (1 - weight) * cross entropy
    + weight * temperature**2 * KL(softmax(dense / temperature), softmax(pruned / temperature))."""

    weight: float = Field(0.5, gt=0, le=1)
    temperature: float = Field(4.0, gt=0, le=100)


class Hardware(Grown):
    """What trains, and how it computes. Results differ between devices and precisions."""

    late: ClassVar[frozenset[str]] = frozenset({"device", "precision", "compile", "channels_last", "workers"})

    device: Literal["auto", "cpu", "cuda", "mps"] = Field("cpu", description="auto: cuda or mps where there is one")
    precision: Literal["full", "bf16", "fp16"] = Field("full", description="of activations and products in training "
                                                       "(autocast); accuracy is always measured in full")
    compile: bool = Field(False, description="torch.compile in training")
    channels_last: bool = Field(False, description="memory format of images and weights")
    workers: int = Field(0, ge=0, le=1024, description="processes that read images from files; 0: this one")

    @model_validator(mode="after")
    def _possible(self) -> Hardware:
        if self.precision == "fp16" and self.device == "cpu":
            raise ValueError("precision: must be full or bf16 on device cpu, not fp16")
        return self
