"""The device that trains, the precision of its products, and the processes that share a batch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from xbarch.compress.quantizers.network import Network
from xbarch.compress.quantizers.shared import share_statistics
from xbarch.errors import InputError
from xbarch.specs.learning import Hardware

_KINDS = {"bf16": torch.bfloat16, "fp16": torch.float16}
_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")  # that torchrun sets


@dataclass(frozen=True)
class Setup:
    """device: where tensors lie. rank, world: number of this process and of all that train together."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    hardware: Hardware = field(default_factory=Hardware)
    rank: int = 0
    world: int = 1

    def place(self, network: Network) -> None:
        """Move the network to the device, in the memory format asked for."""
        if self.world > 1:
            share_statistics(network)
        network.to(self.device)
        if self.hardware.channels_last:
            for parameter in network.parameters():
                if parameter.dim() == 4:
                    parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def moved(self, x: Tensor) -> Tensor:
        """A tensor on the device."""
        return x if x.device == self.device else x.to(self.device, non_blocking=True)

    def formed(self, x: Tensor) -> Tensor:
        """Images in the memory format asked for."""
        return x.contiguous(memory_format=torch.channels_last) if self.hardware.channels_last else x

    def wrapped(self, network: nn.Module) -> Callable[[Tensor], Tensor]:
        """The network as it is called in training: compiled, and shared by all processes."""
        found: Any = network
        if self.world > 1:
            found = DistributedDataParallel(network, broadcast_buffers=False,
                                            device_ids=None if self.device.type == "cpu" else [self.device])
        called: Callable[[Tensor], Tensor] = torch.compile(found) if self.hardware.compile else found
        return called

    def waiting(self, model: Any) -> AbstractContextManager[Any]:
        """Gradients of this process alone are summed, not yet those of the others."""
        found: AbstractContextManager[Any] = model.no_sync() if self.world > 1 else nullcontext()
        return found

    def autocast(self) -> AbstractContextManager[Any]:
        """Products in the precision asked for."""
        kind = _KINDS.get(self.hardware.precision)
        return nullcontext() if kind is None else torch.autocast(self.device.type, dtype=kind)

    def scaler(self) -> torch.amp.GradScaler:
        """Scales the loss where small gradients would vanish in 16 bits."""
        return torch.amp.GradScaler(self.device.type, enabled=self.hardware.precision == "fp16")

    def share(self, count: int) -> slice:
        """This process's part of a batch."""
        return slice(self.rank * count // self.world, (self.rank + 1) * count // self.world)

    def total(self, x: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.world > 1:
            there = x.to(self.device)
            dist.all_reduce(there)
            x = there.to(x.device)
        return x

    def gathered(self, value: float) -> list[float]:
        """The value of every process."""
        found = torch.zeros(self.world, dtype=torch.float64)
        found[self.rank] = value
        return [float(v) for v in self.total(found)]

    def meet(self) -> None:
        """Wait for the other processes."""
        if self.world > 1:
            dist.barrier()


def chosen(hardware: Hardware) -> Setup:
    """The device of a recipe.

    Raises:
        InputError: it is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kind: str = hardware.device
    if kind == "auto":
        kind = next(name for name, found in there.items() if found)
    if not there[kind]:
        raise InputError(f"must be {' or '.join(name for name, found in there.items() if found)} or auto, not {kind}: "
                         f"PyTorch {torch.__version__} finds no such device here", field="hardware.device")
    if hardware.precision == "fp16" and kind == "cpu":
        raise InputError("must be full or bf16 on device cpu, not fp16", field="hardware.precision")
    return Setup(torch.device(kind), hardware)


@contextmanager
def joined(hardware: Hardware) -> Iterator[Setup]:
    """The setup of this process among those that torchrun started, or alone.

    Raises:
        InputError: the device is not there, or the environment is not that of torchrun.
    """
    setup, world = chosen(hardware), os.environ.get("WORLD_SIZE", "1")
    if world == "1":
        yield setup
        return
    if absent := [name for name in _NAMES if name not in os.environ]:
        raise InputError(f"WORLD_SIZE is {world[:20]}, but {', '.join(absent)} {'is' if len(absent) == 1 else 'are'} "
                         "not set: start several processes by torchrun --no-python --nproc-per-node N xbarch "
                         "compress RECIPE, or unset WORLD_SIZE")
    device = setup.device
    if device.type == "cuda":
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise InputError(f"process {local} of this machine has no GPU of its own; it has "
                             f"{torch.cuda.device_count()}: start as many processes", field="hardware.device")
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield replace(setup, device=device, rank=dist.get_rank(), world=dist.get_world_size())
    finally:
        dist.destroy_process_group()
