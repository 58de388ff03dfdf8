"""Correctness and accuracy in words."""

import pytest

from xbarch.result import words
from xbarch.result.schema import Correctness, Sufficient, Workload


def found(**changes):
    layers = [Sufficient(layer="a", adc_bits_built=6, adc_bits_needed=needed, adc_bits_seen=seen, clipped_share=None)
              for needed, seen in ((9, 7), (8, 5))]
    return Correctness(**{"exact": True, "proof": "bound", "clipped_share": 0.0, "drops_low_bits": False,
                          "layers": layers} | changes)


@pytest.mark.parametrize(("changes", "says"), [
    ({}, "exact"),
    ({"proof": "stored activations"}, "exact on the stored activations"),
    ({"exact": False, "proof": "stored activations", "clipped_share": 0.0123}, "clips 1.2% of conversions"),
    ({"exact": False, "proof": "stored activations", "clipped_share": 2.1e-4}, "clips 0.02% of conversions"),
    ({"exact": False, "proof": "stored activations", "clipped_share": 1e-9}, "clips under 0.001% of conversions"),
    ({"exact": False, "proof": "stored activations", "drops_low_bits": True}, "drops low bits by design"),
    ({"exact": False, "proof": "stored activations", "drops_low_bits": True, "clipped_share": 0.5},
     "drops low bits by design, clips 50.0% of conversions"),
    ({"exact": False, "proof": "none", "clipped_share": None}, "may clip: no stored activations"),
    ({"exact": False, "proof": "none", "clipped_share": None, "drops_low_bits": True},
     "drops low bits by design, how much is not known"),
])
def test_exactness(changes, says):
    assert words.exactness(found(**changes)) == says


def test_the_line_names_the_bits():
    assert words.correctness(found()) == "exact: 6-bit converters, sums need up to 9 (7 seen)"
    assert words.exactness(None) == words.correctness(None) == ""


def test_stored_accuracies_have_the_fields_words_and_their_n():
    stored = Workload(name="w", trained_on=None, synthetic=False, accuracy={"cut": 0.5, "own": 0.5},
                      tested={"cut": 359}, source="here")
    assert words.phase("cut", stored) == "after pruning 50.00% (n = 359)"
    assert words.phase("own", stored) == "own 50.00%"
    assert [words.PHASES[phase] for phase in ("baseline", "cut", "pruning")] == [
        "dense baseline", "after pruning", "after fine-tuning"]
