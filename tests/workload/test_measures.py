"""Measures against plain loops; functions of a user's own; intervals."""

import numpy as np
import pytest

from xbarch.errors import InputError
from xbarch.plugins.measures import find
from xbarch.result.accuracy import bootstrap
from xbarch.workload.measures import BUNDLED, classes_of, usual
from xbarch.workload.outputs import Output, returned

DRAWS = np.random.default_rng(3)
SCORES, MAP = DRAWS.normal(size=(7, 4, 3, 5)), DRAWS.integers(0, 4, (7, 3, 5))
MAP[0, 0], MAP[1, 2, 2] = 255, -1


def value(name, outputs, answers):
    """In two parts, which must not matter."""
    measure = BUNDLED[name]
    whole = measure.counts(outputs, answers)
    parts = [measure.counts([y[some] for y in outputs], answers[some]) for some in (slice(0, 3), slice(3, None))]
    assert np.allclose(np.concatenate(parts), whole, rtol=1e-12)
    return float(measure.value(whole.sum(axis=0)))


def test_top1():
    scores, labels = DRAWS.normal(size=(9, 4)), DRAWS.integers(0, 4, 9)
    wanted = sum(max(range(4), key=lambda c: scores[i, c]) == labels[i] for i in range(9)) / 9
    assert value("top1", [scores], labels) == wanted == value("top1", [scores[:, :, None, None]], labels)


def pixels():
    """(right class, taken for) of every pixel that has a class."""
    for i, y, x in np.ndindex(MAP.shape):
        if MAP[i, y, x] in range(4):
            yield MAP[i, y, x], max(range(4), key=lambda c: SCORES[i, c, y, x])


def test_pixels():
    pairs = list(pixels())
    assert value("pixel_accuracy", [SCORES], MAP) == sum(a == b for a, b in pairs) / len(pairs)
    shares = [sum(a == b == c for a, b in pairs) / sum(c in (a, b) for a, b in pairs) for c in range(4)]
    assert value("mean_iou", [SCORES], MAP) == pytest.approx(sum(shares) / 4, rel=1e-12)


def test_real_numbers():
    found, wanted = DRAWS.normal(size=(2, 6, 3, 2))
    assert value("mse", [found], wanted) == pytest.approx(((found - wanted) ** 2).mean(), rel=1e-12)
    wanted = found + 0.3 * wanted
    assert value("correlation", [found], wanted) == pytest.approx(np.corrcoef(found.ravel(), wanted.ravel())[0, 1])
    assert value("correlation", [0 * found], wanted) == 0


@pytest.mark.parametrize("name, shape, answers, says", [
    ("top1", (3,), MAP[:, 0, 0].clip(0, 3), "must return one score for each of 4 classes, not 3 scores"),
    ("top1", (4, 3, 5), MAP, "must be pixel_accuracy, mean_iou or a function of your own for answers that are a"),
    ("pixel_accuracy", (4, 3, 4), MAP, "one for each of 4 classes and each of 3 x 5 pixels, not values of shape"),
    ("mean_iou", (4,), MAP[:, 0, 0].clip(0, 3), "must be top1 or a function of your own for answers that are a class"),
    ("mse", (4,), np.zeros((7, 3)), "must return as many values as the answers have"),
    ("correlation", (4, 3, 5), MAP, "not correlation")])
def test_what_does_not_fit(name, shape, answers, says):
    assert says in BUNDLED[name].refuse([shape], answers, classes_of(answers))


def test_the_usual_measure():
    assert [usual(a) for a in (MAP[:, 0, 0], MAP, np.zeros(7))] == ["top1", "pixel_accuracy", "mse"]


def own(tmp_path, text, name="f"):
    (tmp_path / "own.py").write_text(text)
    return find(f"{tmp_path / 'own.py'}:{name}")


def test_a_function_of_one_s_own(tmp_path):
    """It gets an array, or several in a tuple."""
    found = own(tmp_path, "def f(y, right):\n    y = y[1] if isinstance(y, tuple) else y\n    return y.sum(1) - right\n"
                          "f.larger = False\n")
    y, right = np.arange(6.0).reshape(3, 2), np.array([1, 2, 3])
    for outputs in ([y], [MAP, y]):
        assert found.value(found.counts(outputs, right).sum(axis=0)) == 3
    assert not found.larger and found.label == "f"


@pytest.mark.parametrize("text, name, says", [
    ("def f(y, right):\n    return 1\n", "f", "must return one finite number for each of 3 images, not 1"),
    ("def f(y, right):\n    return 0 / 0\n", "f", "raised ZeroDivisionError"),
    ("f = 3\n", "f", "must be a function of"), ("f = 3\n", "g", "defines no 'g'"), ("f(\n", "f", "cannot be imported")])
def test_functions_that_fail(tmp_path, text, name, says):
    with pytest.raises(InputError, match=says):
        own(tmp_path, text, name).counts([np.zeros((3, 2))], np.zeros(3))


@pytest.mark.parametrize("name, says", [("iou", "unknown measure 'iou'; choose"), ("no.py:f", "no such Python file")])
def test_measures_that_are_not_there(name, says):
    with pytest.raises(InputError, match=says):
        find(name)


def test_an_interval_of_a_mean_is_that_of_the_normal_law():
    """For many images the bootstrap of a mean of independent numbers is mean ± 1.96 deviations / sqrt(n)."""
    found = DRAWS.normal(2, 1, (400, 1))
    low, high = bootstrap(BUNDLED["mse"], np.hstack([found, np.ones((400, 1))])[None])
    half = 1.96 * found.std() / 20
    assert abs(low - (found.mean() - half)) < 0.1 * half and abs(high - (found.mean() + half)) < 0.1 * half


@pytest.mark.parametrize("closing", ["softmax", "log_softmax"])
def test_a_closing_function_is_computed_where_it_matters(closing):
    output, levels = Output("a", (4, 3, 5), 0.5, closing, 0), np.round(4 * SCORES)
    got = returned([output], {"a": levels}, False)[0]
    plain = np.exp(0.5 * levels) / np.exp(0.5 * levels).sum(axis=1, keepdims=True)
    assert np.allclose(np.log(got) if closing == "softmax" else got, np.log(plain))
    assert np.array_equal(returned([output], {"a": levels}, True)[0], 0.5 * levels)
