"""Data paths that are `dense` but for one mistake each, as plugin files have them. `SAYS`: what is said of each."""

from dataclasses import replace

import numpy as np

from xbarch.datapaths.base import Added, Work
from xbarch.datapaths.dense import Dense

SAYS = {}


def mistake(name, says, **hooks):
    """A data path with these hooks; each gets the data path and the arguments of the method."""
    SAYS[name] = says
    return type(name.title().replace("_", ""), (Dense,), {
        "name": name, "summary": "a mistake", "provenance": "a test", "__module__": __name__, **hooks})


def changed(**fields):
    """`pack` whose last block has other fields; functions are called with the block."""
    def pack(self, layer, geometry):
        *others, last = Dense.pack(self, layer, geometry)
        return [*others, replace(last, **{k: f(last) if callable(f) else f for k, f in fields.items()})]
    return pack


def holding(spoil):
    """`pack` whose last block has other contents."""
    return changed(contents=lambda block: lambda: spoil(block.contents()))


def counting(**fields):
    """`work` with other fields; functions are called with the work of `dense`."""
    def work(self, blocks, layer, geometry, stream=None):
        done = Dense.work(self, blocks, layer, geometry, stream)
        return replace(done, **{k: f(done) if callable(f) else f for k, f in fields.items()})
    return work


def skipping(reads):
    """`work` that knows better once it sees inputs."""
    def work(self, blocks, layer, geometry, stream=None):
        done = Dense.work(self, blocks, layer, geometry, stream)
        return done if stream is None else replace(done, reads=reads(done, len(stream.vectors())))
    return work


def adding(**fields):
    """`components` with one part."""
    part = Added(**{"name": "part", "level": "ima", "count": 1, "area": 10**6, "action": "act", "energy": 10**4,
                    "source": "a test", **fields})
    return lambda self, geometry: [part]


def acting(self, blocks, layer, geometry, stream=None):
    done = Dense.work(self, blocks, layer, geometry, stream)
    return replace(done, extra={"act": np.ones(1 + done.crossbar.max(), int)})


def halves(move):
    """Every block cut in two by rows; the second half is moved."""
    def pack(self, layer, geometry):
        found = []
        for b in Dense.pack(self, layer, geometry):
            cut = b.rows // 2
            parts = [slice(0, cut), slice(cut, b.rows)]
            for number, rows in enumerate(parts):
                half = replace(b, row0=rows.start, inputs=b.inputs[rows], kept=b.kept * (rows.stop - rows.start) //
                               b.rows, contents=lambda b=b, rows=rows: part(b.contents(), rows))
                found.append(move(half, cut) if number else half)
        return found
    return pack


def part(contents, rows):
    return replace(contents, cells=contents.cells[rows])


def sides(self, layer, geometry):
    """Every block cut in two by bit lines, one group; the second half's inputs come in another order."""
    found = []
    for b in Dense.pack(self, layer, geometry):
        cut = b.columns // 2
        found += [replace(b, columns=cut, contents=lambda b=b, cut=cut: side(b.contents(), 0, cut)),
                  replace(b, columns=b.columns - cut, col0=cut, inputs=np.roll(b.inputs, 1), kept=0,
                          contents=lambda b=b, cut=cut: side(b.contents(), cut, b.columns))]
    return found


def side(contents, first, stop):
    mine = (contents.column >= first) & (contents.column < stop)
    return replace(contents, cells=contents.cells[:, first:stop], column=contents.column[mine] - first,
                   output=contents.output[mine], coefficient=contents.coefficient[mine])


def doubled(self, layer, geometry):
    """Everything is stored twice."""
    found = Dense.pack(self, layer, geometry)
    size = 1 + max(b.crossbar for b in found)
    return [*found, *(replace(b, crossbar=b.crossbar + size, kept=0) for b in found)]


def merged(self, layer, geometry):
    """Each bit line of an output also feeds the outputs before it, and is told to be worth nothing there; nothing more
    is counted."""
    def fed(contents, block):
        column = np.concatenate([contents.column] * 3 + [contents.column[:1]] * 2)
        output = np.concatenate([contents.output, *[np.roll(contents.output, 7)] * 2, contents.output[:1],
                                 contents.output[:1]])
        plus, none = np.ones(len(contents.column), int), np.array([1, -1])
        return replace(contents, column=column, output=output,
                       coefficient=np.concatenate([contents.coefficient, plus, -plus, none]))
    return [replace(b, contents=lambda b=b: fed(b.contents(), b)) for b in Dense.pack(self, layer, geometry)]


def twice(done):
    return {name: np.repeat(getattr(done, name), 2) for name in ("crossbar", "rows", "columns", "cells", "reads")}


def unnamed(self, blocks, layer, geometry, stream=None):
    """Two kinds of read per group, and nothing says so."""
    done = Dense.work(self, blocks, layer, geometry, stream)
    return Work(**twice(done), outputs=np.repeat(done.outputs, 2) * ([1, 0] * len(done.outputs)))


def beyond(self, blocks, layer, geometry, stream=None):
    """Two kinds of read per group, the second of more word lines than the group has."""
    done = unnamed(self, blocks, layer, geometry, stream)
    return replace(done, group=np.zeros(len(done.crossbar), int), rows=done.rows + ([0, 1] * (len(done.rows) // 2)))


def elsewhere(self, blocks, layer, geometry, stream=None):
    done = unnamed(self, blocks, layer, geometry, stream)
    return replace(done, group=np.arange(len(done.crossbar)) % 2)


def stumbling(self, layer, geometry):
    return [][layer.filters]  # stumbles


MISTAKES = [
    mistake("lost_block", r"of \d+ kept weights other than zero are in no block",
            pack=lambda self, *a: Dense.pack(self, *a)[:-1]),
    mistake("stored_twice", "the outputs differ in", pack=doubled),
    mistake("one_group", "share the bit line", pack=halves(lambda half, cut: half)),
    mistake("two_drivers", "would be driven by two inputs at once", pack=sides),
    mistake("overlap", "which share cells of crossbar", pack=halves(lambda half, cut: replace(half, row0=0, group=1))),
    mistake("outside", "row0 = 128, which must be 0 to", pack=changed(row0=128)),
    mistake("gap", r"crossbar = \d+, which must be 0 to", pack=changed(crossbar=lambda b: b.crossbar + 1)),
    mistake("no_output", "with targets from", pack=changed(targets=lambda b: b.targets + 1000)),
    mistake("float_inputs", "inputs must be an array of whole numbers", pack=changed(inputs=lambda b: b.inputs / 1)),
    mistake("targets_cut", r"of \d+ kept weights other than zero are in no block",
            pack=changed(targets=lambda b: b.targets[:1])),
    mistake("kept_tripled", "must keep", pack=changed(kept=lambda b: 3 * b.kept)),
    mistake("kept_none", "must keep", pack=lambda self, *a: [replace(b, kept=0) for b in Dense.pack(self, *a)]),
    mistake("cap_small", r"can sum to \d+, more than its cap of 3", pack=changed(cap=3)),
    mistake("cap_nan", "with cap = nan, which must be None or a whole number", pack=changed(cap=np.nan)),
    mistake("large_cell", r"must store cells from 0 to \d+, not \d+", pack=holding(
        lambda c: replace(c, cells=c.cells + 16))),
    mistake("negative_cell", r"must store cells from 0 to \d+, not -", pack=holding(
        lambda c: replace(c, cells=c.cells.astype(np.int64) - 16))),
    mistake("float_cells", "must have cells as an array of whole numbers, not float64", pack=holding(
        lambda c: replace(c, cells=c.cells / 1))),
    mistake("narrow_cells", r"must store \(\d+, \d+\) cells, not", pack=holding(
        lambda c: replace(c, cells=c.cells[:, 1:]))),
    mistake("no_target", "adds to output 999, which is not one of its targets", pack=holding(
        lambda c: replace(c, output=np.where(c.output == c.output[0], 999, c.output)))),
    mistake("no_bit_line", r"must decode its bit lines 0 to \d+, not", pack=holding(
        lambda c: replace(c, column=c.column + 500))),
    mistake("uneven_list", "must have a decode list of equal length", pack=holding(
        lambda c: replace(c, output=c.output[1:]))),
    mistake("no_list", "must have a decode list of equal length", pack=holding(
        lambda c: replace(c, column=np.array(1), output=np.array(1), coefficient=np.array(1)))),
    mistake("wrong_sign", "the outputs differ in", pack=holding(lambda c: replace(c, coefficient=-c.coefficient))),
    mistake("no_contents", "contents of layer .* must return a Contents, not NoneType", pack=holding(lambda c: None)),
    mistake("raises", r"mistakes\.py:\d+: data path raises: pack of layer .* raised IndexError: list index",
            pack=stumbling),
    mistake("raises_later", r"mistakes\.py:\d+: data path raises_later: contents of layer .* raised ZeroDivisionError",
            pack=holding(lambda c: 1 // 0)),
    mistake("halved_columns", "work must count columns", work=counting(columns=lambda w: w.columns // 2)),
    mistake("halved_cells", "work must count cells", work=counting(cells=lambda w: w.cells // 2)),
    mistake("no_outputs", "work must count outputs", work=counting(outputs=lambda w: 0 * w.outputs)),
    mistake("negative_reads", "must return reads from 1 to", work=counting(reads=lambda w: -w.reads)),
    mistake("no_reads", "must return reads from 1 to", work=counting(reads=lambda w: 0 * w.reads)),
    mistake("nan_reads", "must return reads as .* whole numbers, not float64",
            work=counting(reads=lambda w: np.full(len(w.reads), np.nan))),
    mistake("list_of_reads", "must return reads as an array of", work=counting(reads=lambda w: w.reads.tolist())),
    mistake("unnamed_kinds", "work must count crossbars of the groups .* `group` must say whose", work=unnamed),
    mistake("kind_beyond", "must have rows from 1 to", work=beyond),
    mistake("kind_elsewhere", "which has no block", work=elsewhere),
    mistake("skips_all", r"must take at least \d+ reads of crossbar 0",
            work=skipping(lambda w, n: np.zeros((n, len(w.reads)), int))),
    mistake("skips_one_phase", r"must take at least \d+ reads of crossbar 0",
            work=skipping(lambda w, n: np.tile(w.reads - 1, (n, 1)))),
    mistake("skipping_costs", "as without, not", work=skipping(lambda w, n: np.tile(w.reads + 1, (n, 1)))),
    mistake("negative_index", "must return a whole number of bits of at least 0, not -5", index_bits=lambda *_: -5),
    mistake("index_as_text", "must return a whole number of bits of at least 0, not many",
            index_bits=lambda *_: "many"),
    mistake("adc_bits_few", "the outputs at 2 ADC bits differ in", adc_bits=lambda *_: 2),
    mistake("cells_unlike", "as cells_per_weight says, not", cells_per_weight=lambda *_: 7),
    mistake("free_fan_out", r"bit lines fan out to \d+ outputs", pack=merged),
    mistake("uncounted_action", "'act' is counted but not priced, or priced but not counted", components=adding()),
    mistake("unpriced_action", "'act'", work=acting),
    mistake("name_taken", "'adc', a name that another component has", components=adding(name="adc"), work=acting),
    mistake("price_in_pj", "whose energy must be 100 to 1,000,000,000,000 aJ, not 1", components=adding(energy=1),
            work=acting),
    mistake("area_in_um2", "whose area must be 10,000 to 1,000,000,000,000,000 nm², not 60", components=adding(area=60),
            work=acting),
    mistake("no_source", "must have a count, an area, an energy and a source", components=adding(source=""),
            work=acting),
]
globals().update({kind.__name__: kind for kind in MISTAKES})  # a plugin file is searched for classes
