"""How data move: inputs that a copy keeps, drivers of an IMA, sums of crossbars above one another, prices of reads and
writes, no buffer."""

import numpy as np
import pytest
from rigs import single

import xbarch
from xbarch.cli.catalog import tree
from xbarch.errors import CapacityError, InputError
from xbarch.render.diagram import diagram
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.workload.graph import Layer, Workload


def conv(size=6, channels=32, filters=4, kernel=3, padding=1):
    """One convolution of 8 bits; 32 channels fill a word of the buffer with a pixel."""
    shape, out = (channels, size, size), size + 2 * padding - kernel + 1
    return Workload(name="net", layers=(
        Layer(name="input", op="input", inputs=(), in_shape=shape, out_shape=shape, output_bits=8),
        Layer(name="conv", op="conv", inputs=("input",), in_shape=shape, out_shape=(filters, out, out),
              kernel=(kernel,) * 2, padding=(padding,) * 2, weight_bits=8, input_bits=8, output_bits=8,
              weights=lambda: np.ones((filters, channels, kernel, kernel), np.int16))))


def machine(tmp_path, dataflow="", more=(), **changes):
    path = tmp_path / "machine.yaml"
    flow = [f"dataflow: {{{dataflow}, source: test}}"] if dataflow else []
    path.write_text("\n".join(["extends: isaac_8bit", "name: machine", *flow, *more,
                               *(f"{key}: {value}" for key, value in changes.items())]))
    return str(path)


def execute(file, workload, policy="one_copy", **choices):
    return xbarch.execute(file, workload, policy=policy, images=choices.pop("images", 1), **choices)


def actions(run, layer="conv"):
    return {action: count for (name, action), count in run.ledger.actions.items() if name == layer}


@pytest.mark.parametrize(("flow", "read"), [
    ("input: window", 36 * 9),
    ("input: new, registers: 4 KB", (2 + 3 * 4 + 2) * (2 + 1 + 1 + 1 + 1 + 0)),
    ("input: once, registers: 4 KB", 36)])
def test_words_that_a_convolution_reads(tmp_path, flow, read):
    """A 3 x 3 kernel on 6 x 6 pixels of a word each, in one IMA's registers: whole windows with their padding; a column
    of two or three pixels for each new window of a row; every pixel once. Outputs go into one tile's buffer."""
    run = execute(machine(tmp_path, flow), conv(filters=1))
    found = actions(run)
    written = 36  # a word for each of 36 outputs
    assert found["edram_access"] - written == read
    moved = sum(s.actions[0][1].sum() if isinstance(s.actions[0][1], np.ndarray) else 36 * s.actions[0][1]
                for s in run.graph.flows[1].copies[0] if s.name == "conv/transfer")
    assert found["bus_transfer"] == moved
    assert found["ir_access"] == read + 36 * 3 * 8  # and three crossbars of 128, 128 and 32 rows, read in 8 phases


def test_a_window_is_what_is_said_of_none(tmp_path):
    plain, said = (execute(machine(tmp_path, flow), conv(), "crossbars:3") for flow in ("", "input: window"))
    assert plain.ledger == said.ledger
    assert all(np.array_equal(a, b) for a, b in zip(plain.trace.done, said.trace.done, strict=True))


@pytest.mark.parametrize("flow", ["input: new, registers: 64 KB", "input: once, registers: 64 KB"])
def test_engines_agree_on_windows_that_differ(tmp_path, flow):
    runs = [execute(machine(tmp_path, flow), conv(size=9), "crossbars:4", engine=engine, images=3)
            for engine in ("simpy", "fast")]
    assert all(np.array_equal(a, b) for a, b in zip(runs[0].trace.done, runs[1].trace.done, strict=True))
    assert np.array_equal(runs[0].trace.busy, runs[1].trace.busy)


def test_copies_read_once_each(tmp_path):
    """In turn: with as many copies as columns, a copy sees one column of windows, three of pixels (two at edges)."""
    run = execute(machine(tmp_path, "input: once, registers: 64 KB"), conv(filters=1), "crossbars:6")
    assert run.plan.copies["conv"] == 6
    assert actions(run)["edram_access"] - 36 == 4 * 18 + 2 * 12


@pytest.mark.parametrize(("flow", "read"), [("once", 2 * 4 * 6), ("new", 2 * (8 + 4 * 10 + 6))])
def test_a_copy_that_owns_a_stripe_reads_its_columns(tmp_path, flow, read):
    """Two stripes of three columns and one beside each: with `once` every pixel of four columns. With `new` a row of
    windows brings three columns of three pixels (two at edges) and, where it begins, the one pixel of the next column
    that the end of the row before did not have; the first row brings two columns whole."""
    file = machine(tmp_path, f"input: {flow}, registers: 64 KB")
    runs = [execute(file, conv(filters=1), "crossbars:2", replication="stripes", engine=engine)
            for engine in ("simpy", "fast")]
    assert runs[0].plan.copies["conv"] == 2
    assert actions(runs[0])["edram_access"] - 36 == actions(runs[1])["edram_access"] - 36 == read
    assert all(np.array_equal(a, b) for a, b in zip(runs[0].trace.done, runs[1].trace.done, strict=True))


@pytest.mark.parametrize("flow", ["new", "once"])
def test_registers_that_are_too_small(tmp_path, flow):
    """A window of 3 x 3 pixels of 32 bytes, 288 B; two rows and three pixels, 480 B."""
    least = {"new": 288, "once": (6 * 2 + 3) * 32}[flow]
    execute(machine(tmp_path, f"input: {flow}, registers: {least} B"), conv(filters=1))
    with pytest.raises(InputError, match=f"dataflow.registers: must hold {least} B or more") as error:
        execute(machine(tmp_path, f"input: {flow}, registers: {least - 1} B"), conv(filters=1))
    assert error.value.line == 3


def test_inputs_are_kept_somewhere(tmp_path):
    with pytest.raises(InputError, match=r"must be window where no `registers` that keep inputs are") as error:
        load(machine(tmp_path, "input: once"), Architecture)
    assert error.value.line == 3


def test_an_ima_drives_an_input_once(tmp_path):
    """Two crossbars beside one another have the same inputs; one above the other have inputs of their own."""
    apart, together = (execute(machine(tmp_path, f"drive: {who}"), single(256, 64, 5, 8))
                       for who in ("crossbar", "ima"))
    assert apart.packed["conv"].crossbars == 4
    assert actions(apart)["row_drive"] == 5 * 8 * 4 * 128
    assert actions(together)["row_drive"] == 5 * 8 * 2 * 128
    assert actions(together)["cell_read"] == actions(apart)["cell_read"]


def test_stacked_crossbars_are_sensed_once(tmp_path):
    """Four row blocks in one stack: a quarter of the conversions, samples and additions, converters of all four."""
    apart = execute(machine(tmp_path), single(512, 16, 9, 8))
    stacked = execute(machine(tmp_path, "stack: 4"), single(512, 16, 9, 8))
    assert apart.packed["conv"].crossbars == 4
    for action in ("conversion", "sample", "shift_add", "or_access"):
        assert actions(stacked)[action] * 4 == actions(apart)[action]
    for action in ("row_drive", "cell_read", "edram_access"):
        assert actions(stacked)[action] == actions(apart)[action]


def test_a_stack_needs_wider_converters(tmp_path):
    """Sums of four arrays reach two bits further; a machine that does not have them is not called exact."""
    needed = {n: xbarch.simulate(machine(tmp_path, f"stack: {n}"), single(512, 16, 9, 8), images=1).correctness
              for n in (1, 4)}
    assert needed[4].layers[0].adc_bits_needed == needed[1].layers[0].adc_bits_needed + 2
    assert needed[1].exact and not needed[4].exact
    with pytest.raises(InputError, match=r"dataflow\.stack: must be 1 where crossbars are executed"):
        xbarch.verify(machine(tmp_path, "stack: 4"), "vgg7_pruned", datapath="dense")
    with pytest.raises(InputError, match="must divide the 8 crossbars of an IMA, not 3"):
        load(machine(tmp_path, "stack: 3"), Architecture)


def test_how_data_move_is_said(tmp_path):
    file = machine(tmp_path, "input: once, registers: 4 KB, drive: ima, stack: 2")
    said = tree(file)["dataflow"]
    assert said == ["a copy brings in every input once", "4 KB of registers in a tile keep inputs",
                    "an IMA drives an input once for all its crossbars",
                    "2 crossbars above one another are sensed together"]
    assert said[0] in diagram(load(file, Architecture))


READ, WRITE = "energy: 10 pJ, action: edram_read", "energy: 25 pJ, action: edram_write"


def parts(*priced):
    named = [f"part{number}: {{level: tile, count: 1, area: 1 um^2, {price}, source: test}}"
             for number, price in enumerate(priced)]
    return f"components: {{edram: null, {', '.join(named)}}}"


def test_reads_and_writes_have_prices_of_their_own(tmp_path):
    joint, split = execute(machine(tmp_path), conv()), execute(machine(tmp_path, "", [parts(READ, WRITE)]), conv())
    both, found = joint.ledger.by_action()["edram_access"], split.ledger.by_action()
    assert "edram_access" not in found and found["edram_read"] + found["edram_write"] == both
    assert found["edram_read"] == 36 * 9  # whole windows
    assert split.ledger.by_component()["part0"] == found["edram_read"] * 10 * 10**6
    assert split.ledger.by_component()["part1"] == found["edram_write"] * 25 * 10**6
    assert all(np.array_equal(a, b) for a, b in zip(joint.trace.done, split.trace.done, strict=True))


def test_prices_of_reads_and_writes_go_together(tmp_path):
    with pytest.raises(InputError, match="part1: must not price edram_access beside edram_read or edram_write"):
        load(machine(tmp_path, "", [parts(READ, "energy: 1 pJ, action: edram_access")]), Architecture)
    with pytest.raises(InputError, match="no component prices the action 'edram_write'"):
        execute(machine(tmp_path, "", [parts(READ)]), conv())


STAGES = """pipeline:
  stages:
    - {role: transfer, latency: 100 ns, source: test}
    - {role: compute, latency: 200 ns, source: test}
    - {role: merge, latency: 100 ns, source: test}
    - {role: activate, latency: 100 ns, source: test}"""


def test_a_machine_without_a_buffer(tmp_path):
    """Inputs wait in registers: no word of a buffer is moved, and a line buffer must fit."""
    more = ["buffer: null", "components: {edram: null}", STAGES]
    run = execute(machine(tmp_path, "registers: 4 KB", more), conv())
    assert not any(action.startswith("edram") for action in run.ledger.by_action())
    assert not any(server.kind == "edram" for server in run.graph.servers)
    with pytest.raises(CapacityError, match="line buffer"):
        execute(machine(tmp_path, "registers: 300 B", more), conv())
    with pytest.raises(InputError, match=r"needs a `buffer`, or dataflow\.registers in which inputs wait"):
        load(machine(tmp_path, "", more), Architecture)
    with pytest.raises(InputError, match="must not be read where a tile has no `buffer`"):
        load(machine(tmp_path, "registers: 4 KB", ["buffer: null"]), Architecture)
