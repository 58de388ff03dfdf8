"""Batches of images in a given order, read by other processes where they come from files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from xbarch.compress.images.parts import Files, Images
from xbarch.errors import InputError

Batch = tuple[Tensor, Tensor]


class _Read(Dataset[Batch | InputError]):
    """A batch for each index; an error is an answer, since only the text of an exception would reach the parent."""

    def __init__(self, images: Images) -> None:
        self.images = images

    def __getitem__(self, index: Tensor) -> Batch | InputError:
        try:
            return self.images.raw(index)
        except InputError as error:
            return error


def batches(images: Images, indices: Sequence[Tensor], workers: int = 0) -> Iterator[Batch]:
    """Pixels as they are kept, and labels, of every index tensor of `indices`, in order; the same for every number of
    workers.

    Raises:
        InputError: a file is not an image.
    """
    if not workers or not isinstance(images.pixels, Files):
        yield from (images.raw(index) for index in indices)
        return
    loader = DataLoader(_Read(images), batch_size=None, sampler=list(indices), num_workers=min(workers, len(indices)))
    for found in loader:
        if isinstance(found, InputError):
            raise found
        yield found
