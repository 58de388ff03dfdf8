"""How long a network holds: the search against a known curve, figures against a run."""

import numpy as np
import pytest

import xbarch
from xbarch.errors import InputError
from xbarch.studies.retention import DECADES, _fallen

DRIFT = ["noise.full_scale=ideal", "noise.effects.drift.exponent.offset=0.05", "noise.effects.drift.spread.offset=0.02"]


@pytest.mark.parametrize("when", [1.5, 40.0, 7e4, 9e8])
def test_the_time_of_a_known_fall_is_found_within_seven_percent(when):
    """Accuracy 90 % up to `when`, then 80 %."""
    curve, found = _fallen(lambda t: 0.9 if t < when else 0.8, 1.0, 0.01, None)
    assert when <= found <= 1.08 * when
    assert [t for t, _ in curve] == sorted(t for t, _ in curve)


def test_what_does_not_fall_holds():
    curve, found = _fallen(lambda t: 0.9 - 1e-4 * np.log10(t), 20.0, 0.01, None)
    assert found is None and len(curve) == DECADES + 1 and curve[-1][0] == pytest.approx(20e9)


@pytest.mark.full
def test_programming_is_that_of_a_run_and_the_curve_that_of_accuracy():
    found = xbarch.retention("isaac_like", "digit_pairs/vgg7_segprune_4x", images=20, draws=1, overrides=DRIFT,
                             writes=1e6, loss=0.05)
    written = xbarch.simulate("isaac_like", "digit_pairs/vgg7_segprune_4x", images=1).data["programming"]
    assert (found.cells, found.time_ps, found.energy_aj) == tuple(written[k] for k in ("cells", "time_ps", "energy_aj"))
    late, value = found.curve[-1]
    later = [*DRIFT, f"noise.effects.drift.seconds={late!r}"]
    assert xbarch.accuracy("isaac_like", "digit_pairs/vgg7_segprune_4x", images=20, draws=1,
                           overrides=later).value == value
    assert found.seconds is not None and found.lifetime == pytest.approx(1e6 * found.seconds / found.pulses)
    assert found.power_uw == pytest.approx(found.energy_aj / found.seconds * 1e-18 * 1e6)


def test_what_does_not_drift_is_refused():
    with pytest.raises(InputError, match=r"noise.effects: must have the effect drift"):
        xbarch.retention("isaac_like", "digit_pairs/vgg7_segprune_4x")
    with pytest.raises(InputError, match=r"loss: must be above 0 and at most 1, not 2"):
        xbarch.retention("isaac_like", "digit_pairs/vgg7_segprune_4x", loss=2)
