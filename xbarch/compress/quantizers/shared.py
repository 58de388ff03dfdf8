"""Statistics of a batch that several processes share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from xbarch.compress.quantizers.network import Network, ShiftNorm
from xbarch.errors import InputError


class SharedNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm over the images of all processes, on any device (PyTorch's own needs GPUs)."""

    def _check_input_dim(self, x: Tensor) -> None:
        pass

    def forward(self, x: Tensor) -> Tensor:
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        axes, shape = [0, *range(2, x.dim())], (1, -1, *(1,) * (x.dim() - 2))
        real = x.float()
        sums = all_reduce(torch.cat((real.sum(axes), real.new_tensor([x.numel() / x.shape[1]]))))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = real - mean.view(shape)
        var = all_reduce(centred.square().sum(axes)) / count
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            factor = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, factor)
            self.running_var.lerp_(var * (count / (count - 1)), factor)
        scaled = centred * ((var + self.eps).rsqrt() * self.weight).view(shape) + self.bias.view(shape)
        return scaled.to(x.dtype)


def share_statistics(network: Network) -> None:
    """Replace the batch norms of a network by `SharedNorm`.

    Raises:
        InputError: a chain of powers of two, whose batch norm has gains of its own.
    """
    for node in network.compute_nodes():
        if isinstance(node.norm, ShiftNorm):
            raise InputError("must be real where several processes train, not power_of_two",
                             field="quantization.chain")
        if node.norm is not None and not isinstance(node.norm, SharedNorm):
            shared = SharedNorm(node.norm.num_features, node.norm.eps, node.norm.momentum)
            shared.load_state_dict(node.norm.state_dict())
            node.norm = shared.train(node.norm.training)
