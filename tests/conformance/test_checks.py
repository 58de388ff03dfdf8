"""The conformance checks themselves: each broken promise is found and named."""

from dataclasses import replace

import numpy as np
import pytest

from xbarch.conformance import bounded, conform, conserved, draw, extremes, thinned, variants
from xbarch.datapaths.base import Added, Projection
from xbarch.datapaths.dense import Dense
from xbarch.errors import InputError


class Broken(Dense):
    """Dense, with one thing wrong on every layer."""

    name = "broken"


def changed(path, **change):
    """The last block of each layer with other fields."""
    return lambda layer, geometry: [*(b := Dense.pack(path, layer, geometry))[:-1], replace(b[-1], **change)]


def overfull(path):
    """`pack` whose last block keeps a cell more than it has."""
    return lambda layer, geometry: [*(b := Dense.pack(path, layer, geometry))[:-1],
                                    replace(b[-1], kept=b[-1].rows * b[-1].columns + 1)]


def contents(path, spoil):
    """The first block of each layer with other contents."""
    def pack(layer, geometry):
        first, *others = Dense.pack(path, layer, geometry)
        return [replace(first, contents=lambda: spoil(first.contents())), *others]
    return pack


def coefficient(made):
    wrong = made.coefficient.copy()
    wrong[-1] += 1
    return replace(made, coefficient=wrong)


def work(path, **change):
    def counted(*args):
        done = Dense.work(path, *args)
        return replace(done, **{name: make(done) for name, make in change.items()})
    return counted


def raises(*_):
    raise RuntimeError("no\nsuch luck")


PART = Added(name="part", level="ima", count=1, area=50_000, action="act", energy=500, source="a test")
BREAKS = {
    "a coefficient": ("pack", lambda p: contents(p, coefficient), "the outputs differ in"),
    "cells of another shape": ("pack", lambda p: contents(p, lambda m: replace(m, cells=m.cells[:, :-1])),
                               r"block 0 must store \(\d+, \d+\) cells, not"),
    "contents raise": ("pack", lambda p: contents(p, raises), "contents of layer"),
    "pack raises": ("pack", lambda _: raises, "pack of layer"),
    "a block twice": ("pack", lambda p: lambda *a: [*(b := Dense.pack(p, *a)), b[-1]], "which share cells of crossbar"),
    "a crossbar left out": ("pack", lambda p: lambda *a: [replace(b, crossbar=2 * b.crossbar) for b in
                                                          Dense.pack(p, *a)], r"crossbar = \d+, which must be 0 to"),
    "a cap too low": ("pack", lambda p: changed(p, cap=1), r"can sum to \d+, more than its cap of 1"),
    "ADC bits too few": ("adc_bits", lambda _: lambda *_: 2, "the outputs at 2 ADC bits"),
    "kept beyond the block": ("pack", overfull, "must keep at most its"),
    "a target too few": ("pack", lambda p: changed(p, targets=np.arange(0)), r"of \d+ kept weights other than zero"),
    "rows": ("work", lambda p: work(p, rows=lambda w: w.rows - 1), "work must count rows"),
    "columns": ("work", lambda p: work(p, columns=lambda w: w.columns + 1), "work must count columns"),
    "reads": ("work", lambda p: work(p, reads=lambda w: 0 * w.reads), "work of layer .* must return reads from 1"),
    "a gain without pruning": ("pack", lambda p: lambda layer, g: [replace(b, gated=True) for b in Dense.pack(
        p, layer, replace(g, gated=True))], r"unpruned it must take at least 99 % of the \d+ conversions of dense"),
    "an action without price": ("work", lambda p: work(p, extra=lambda w: {"act": np.unique(w.crossbar)}),
                                "'act' is counted but not priced"),
    "a price without action": ("components", lambda _: lambda _: [PART], "'act' is counted but not priced"),
    "a masked weight left": ("project", lambda _: lambda w, *_: Projection(w + 1, np.zeros(w.shape, bool)),
                             "zero where they are masked"),
    "a projection of another shape": ("project", lambda _: lambda w, *_: Projection(w[0], w[0] != 0),
                                      "must return a Projection"),
    "its own promise": ("check", lambda _: lambda *_: "too many", "breaks the method's own promise: too many"),
}


@pytest.mark.parametrize("what", BREAKS)
def test_broken_promises_are_named(what):
    method, make, says = BREAKS[what]
    path = Broken()
    setattr(path, method, make(path))
    with pytest.raises(InputError, match=says) as caught:
        conform(path, 20)
    assert "\n" not in str(caught.value) and "data path broken" in str(caught.value)
    assert any(layer in str(caught.value) for layer in ("layer with weights all", "layer conv", "layer linear")) \
        or method == "components", str(caught.value)


def test_a_part_without_source_is_found():
    path = Broken()
    path.components = lambda _: [replace(PART, source="")]
    path.work = work(path, extra=lambda w: {"act": 1 + np.unique(w.crossbar)})
    with pytest.raises(InputError, match="'part', which must have a count, an area, an energy and a source"):
        conform(path, 0)


def test_kept_weights_without_a_cell_are_found():
    """Weights that are kept and zero may be left out, but then a data path cannot say that each has cells."""
    path = Broken()
    case = next(extremes(path))
    case.layer = replace(case.layer, weights=lambda: np.zeros((24, 32, 3, 3), np.int32))
    path.pack = lambda layer, geometry: [replace(b, kept=100) for b in Dense.pack(Broken(), layer, geometry)[:1]]
    with pytest.raises(InputError, match=r"must keep 27648 cells, 4 for each of 6912 kept weights"):
        conserved(case, case.packed())
    path.cells_per_weight = lambda *_: None
    with pytest.raises(InputError, match=r"at least 6912 cells for 6912 kept weights.*stores_once must be false"):
        conserved(case, case.packed())
    type(path).stores_once = False
    try:
        conserved(case, case.packed())
    finally:
        del type(path).stores_once
    case.layer = replace(case.layer, mask=lambda: np.zeros((24, 32, 3, 3), bool))
    path.pack = changed(path, kept=1)
    with pytest.raises(InputError, match="1 cells are counted as holding kept weights, but none is kept"):
        conserved(case, case.packed())


def test_a_cap_below_what_cells_can_sum_to_is_found():
    path = Broken({"sign": "twos"})
    case = next(extremes(path))
    path.pack = changed(path, cap=2)
    with pytest.raises(InputError, match=r"can sum to \d+, more than its cap of 2"):
        bounded(case, case.packed())


def test_a_density_that_is_not_respected_is_found():
    """All weights are kept, whatever is asked for; `dense` itself keeps what it is asked to keep."""
    path = Broken()
    path.project = lambda weights, *_: Projection(weights, np.ones(weights.shape, bool))
    with pytest.raises(InputError, match=r"project of layer .* must keep about 30% of the weights, as asked, not 100%"):
        thinned(path)
    assert thinned(Broken())


def test_units_are_counted():
    """Operation units read too seldom; only some of the random crossbars have them."""
    path = Broken()

    def lazy(blocks, layer, geometry, stream=None):
        done = Dense.work(path, blocks, layer, geometry, stream)
        return replace(done, reads=done.reads + 1) if geometry.operation_units else done

    path.work = lazy
    with pytest.raises(InputError, match=r"work must count reads \d+, as the blocks are, not \d+"):
        conform(path, 60)


def test_a_data_path_that_takes_nothing_says_why(monkeypatch):
    path = Broken()
    path.accepts = lambda *_: "it is Monday"
    monkeypatch.setattr("xbarch.conformance.cases._TRIES", 20)
    with pytest.raises(InputError, match=r"data path broken: accepts none of 20 .* it is Monday"):
        conform(path)


def test_what_keeps_every_promise_passes_with_the_same_layers_for_a_seed():
    assert variants(Dense) == [{}, {"sign": "differential"}, {"sign": "twos"}, {"groups": "diagonal"}]
    assert conform(Broken(), 10) == 40  # 5 crossbars x 3 kinds of weights, whole and pruned
    rngs = [np.random.default_rng(n) for n in (1, 1, 2)]
    first, again, other = (draw(rng, Broken()) for rng in rngs)
    assert first.layer == again.layer and first.geometry == again.geometry and (first.x == again.x).all()
    assert (first.matrix == again.matrix).all() and first.layer != other.layer


def test_the_oracle_knows_groups():
    """`Case.matrix` against sums written out: a filter sees its own group's inputs alone."""
    rng, grouped = np.random.default_rng(8), 0
    for case in (draw(rng, Broken()) for _ in range(12)):
        layer = case.layer
        width = layer.filters // layer.groups
        for f in range(layer.filters):
            own = range(f // width * layer.rows, (f // width + 1) * layer.rows)
            assert (case.x[:, own] @ layer.matrix[:, f] == (case.x @ case.matrix)[:, f]).all()
        grouped += layer.groups > 1
    assert grouped
