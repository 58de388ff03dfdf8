"""skeleton keeps what a data path promises: exact, complete, counted as it is packed, trainable."""

import pytest
from skeleton import SkeletonMethod

from xbarch.conformance import conform, variants


@pytest.mark.parametrize("options", variants(SkeletonMethod), ids=str)
def test_it_conforms(options):
    assert conform(SkeletonMethod(options), layers=50) >= 50
