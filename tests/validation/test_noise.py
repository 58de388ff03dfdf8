"""Accuracy with programming errors beside that of CrossSim 3.2.0 (Sandia National Laboratories, BSD 3-clause).

CrossSim ran the same integer networks on the first 400 test images, each weight on two pairs of 2-bit cells
(differential), zeros included, no converters, on 3 devices: mean and standard deviation over devices, in per cent, of
accuracy and of the share of images that get the ideal network's class.
"""

from math import sqrt

import pytest

import xbarch
from xbarch.result.devices import student

pytestmark = pytest.mark.long
CROSSSIM = {  # network, law, sigma in per cent of Gmax or of the cell: accuracy, same class
    ("vgg7_dense_longer", "independent", 2): (86.8, 0.5, 95.8, 0.6),
    ("vgg7_dense_longer", "independent", 5): (85.4, 0.3, 90.0, 1.7),
    ("vgg7_dense_longer", "independent", 10): (71.5, 2.9, 72.8, 3.3),
    ("vgg7_dense_longer", "independent", 20): (11.5, 3.0, 11.4, 4.0),
    ("vgg7_dense_longer", "proportional", 2): (86.1, 0.3, 99.1, 0.1),
    ("vgg7_dense_longer", "proportional", 5): (85.8, 0.5, 98.5, 0.9),
    ("vgg7_dense_longer", "proportional", 10): (85.4, 1.0, 97.0, 0.8),
    ("vgg7_dense_longer", "proportional", 20): (85.5, 1.7, 94.0, 0.9),
    ("vgg7_segprune_4x", "independent", 2): (81.0, 1.5, 87.8, 3.3),
    ("vgg7_segprune_4x", "independent", 5): (26.2, 10.3, 28.0, 11.6),
    ("vgg7_segprune_4x", "independent", 10): (0.9, 0.3, 0.8, 0.2),
    ("vgg7_segprune_4x", "independent", 20): (0.8, 0.2, 1.2, 0.3),
    ("vgg7_segprune_4x", "proportional", 2): (83.7, 0.4, 98.6, 0.1),
    ("vgg7_segprune_4x", "proportional", 5): (83.5, 0.3, 97.6, 0.1),
    ("vgg7_segprune_4x", "proportional", 10): (83.3, 1.0, 95.0, 1.8),
    ("vgg7_segprune_4x", "proportional", 20): (79.9, 4.1, 87.0, 5.9),
    ("vgg7_xue_2bit", "independent", 2): (69.2, 3.5, 72.3, 5.3),
    ("vgg7_xue_2bit", "independent", 5): (5.0, 2.9, 5.2, 2.2),
    ("vgg7_xue_2bit", "independent", 10): (1.1, 0.6, 1.4, 0.7),
    ("vgg7_xue_2bit", "independent", 20): (0.8, 0.4, 0.9, 0.5),
    ("vgg7_xue_2bit", "proportional", 2): (83.2, 0.4, 97.1, 0.9),
    ("vgg7_xue_2bit", "proportional", 5): (82.5, 1.6, 95.1, 1.3),
    ("vgg7_xue_2bit", "proportional", 10): (81.5, 2.0, 92.5, 1.8),
    ("vgg7_xue_2bit", "proportional", 20): (77.2, 2.8, 85.3, 3.4),
}
DEVICES = 4


def half(values, devices):
    """Half the 95 % interval of a mean over devices that lie so far apart."""
    return student(devices - 1) * values / sqrt(devices)


@pytest.mark.parametrize(("network", "law", "sigma"), CROSSSIM)
def test_accuracy_is_that_of_crosssim(network, law, sigma):
    """Within 2 points, or the intervals of both over devices (the images are the same)."""
    right, spread, same, same_spread = CROSSSIM[network, law, sigma]
    found = xbarch.accuracy("isaac_like", f"digit_pairs/{network}", datapath="dense", images=400, draws=DEVICES,
                            options={"sign": "differential"}, overrides=[
                                f"noise.effects.programming.{law}={sigma / 100}", "noise.full_scale=ideal"])
    own = found.devices
    print(f"{network} {law} {sigma} %: {100 * found.value:.1f} +- {100 * own.spread:.1f} (CrossSim {right} +- {spread})"
          f", same class {100 * found.same_class:.1f} (CrossSim {same} +- {same_spread})")
    most = max(2.0, sqrt(half(100 * own.spread, DEVICES) ** 2 + half(spread, 3) ** 2))
    assert abs(100 * found.value - right) <= most
    mean = 100 * found.same_class
    apart = sqrt(sum((100 * s - mean) ** 2 for s in own.same_class) / (DEVICES - 1))
    assert abs(mean - same) <= max(2.0, sqrt(half(apart, DEVICES) ** 2 + half(same_spread, 3) ** 2))
