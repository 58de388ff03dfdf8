"""Programming the crossbars: cells, time and energy by hand, and apart from everything else."""

import json
from math import ceil

import numpy as np
import pytest
from rigs import single

import xbarch
from xbarch.errors import InputError
from xbarch.plugins import registry
from xbarch.result.programming import amortized, programming
from xbarch.result.record import record
from xbarch.result.result import read
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load

CELL, PULSE = 1_380_000, 85_700  # aJ, ps, of isaac_like
AT = "crossbar.programming"


def run(workload=None, *changes, **more):
    return xbarch.execute("isaac_like", workload or single(300, 40, 4), images=1, overrides=changes, **more)


def cost(*args, **more):
    done = run(*args, **more)
    return programming(done.machine, done.packed, done.plan)


def test_one_copy_by_hand():
    """300 rows of 40 weights of eight cells: 3 x 3 crossbars, 128 or 64 columns and a unit column on each."""
    p = cost(policy="one_copy")
    assert p.cells == 300 * (40 * 8 + 3)
    assert p.energy["pulses"] == p.cells * CELL and p.energy["verify"] == 0
    assert p.write == 128 * PULSE  # all at once, a row of 129 cells a pulse; the fullest have 128 rows
    bits = 2 * p.cells
    assert p.load == ceil(bits * 10**12 / (10.24e9 * 8))  # one tile: its bus is slower than 25.6 GB/s
    assert p.time == max(p.write, p.load)
    hop, beat = round(10_500 * 100_000 / 240), round(7_000 * 100_000 / 120)
    assert p.energy["transfer"] == ceil(bits / 32) * hop + ceil(bits / 384) * beat  # tile 0 hangs on the gate's router
    assert p.energy["static"] == 10_400_000 * p.time
    assert p.total == sum(p.energy.values())


@pytest.mark.parametrize(("cells", "crossbars", "imas", "tiles"), [
    (129, 1, 1, 1), (1, 8, 12, 168), (64, 3, 5, 1), (129, 8, 2, 2), (100, 2, 1, 1000)])
def test_turns_one_crossbar_at_a_time(cells, crossbars, imas, tiles):
    """Every crossbar's own pulses, then the turns of IMA, tile and chip, spelled out on lists."""
    changes = [f"{AT}.parallel.{k}={v}" for k, v in
               {"cells": cells, "crossbars": crossbars, "imas": imas, "tiles": tiles}.items()]
    done = run(single(700, 130, 4), *changes, policy="crossbars:3")
    took = {}
    for copy in done.plan.parts["conv"]:
        for part in copy:
            for k in range(part.start, part.stop):
                width = np.zeros(128, int)
                for block in done.packed["conv"].blocks:
                    if block.crossbar == k:
                        width[block.row0:block.row0 + block.rows] += block.columns - block.idle
                took[part.tile, part.slot + k - part.start] = sum(ceil(w / cells) for w in width) * PULSE

    def turns(times, together):
        return sum(max(times[i:i + together]) for i in range(0, len(times), together))

    chip = [turns([turns([took.get((tile, 8 * ima + c), 0) for c in range(8)], crossbars) for ima in range(12)], imas)
            for tile in range(168)]
    found = programming(done.machine, done.packed, done.plan)
    assert found.write == turns(chip, tiles)
    assert len(took) == done.plan.crossbars


@pytest.mark.quick(4)
@pytest.mark.parametrize("path", sorted(registry.datapaths()))
def test_every_cell_that_is_stored_is_written_and_no_other(path):
    """The cells a data path fills when its blocks are executed, references included."""
    machine = {"sre": "sre_like", "forms": "forms_like"}.get(path, "isaac_like")
    try:
        done = xbarch.execute(machine, "vgg7_pruned", images=1, datapath=path, policy="one_copy")
    except InputError:
        pytest.skip("made for other weights")
    small = [layer for layer in done.packed.values() if len(layer.blocks) < 200]
    for layer in small:
        for block in layer.blocks:
            held = block.contents()
            lines = set(held.column.tolist()) | set(np.flatnonzero(held.cells.any(axis=0)).tolist())
            assert block.columns - block.idle == len(lines)
    assert small
    p = programming(done.machine, done.packed, done.plan)
    assert p.cells == sum(b.rows * (b.columns - b.idle) for layer in done.packed.values() for b in layer.blocks)
    assert p.write >= 1 and p.load >= ceil(2 * p.cells * 1000 / 204.8)


def test_copies_are_written_each():
    one, all_ = cost(policy="one_copy"), run(policy="fit")
    copies = all_.plan.copies["conv"]
    assert copies > 1
    assert programming(all_.machine, all_.packed, all_.plan).cells == copies * one.cells


def test_program_and_verify():
    """2.5 pulses in the mean, 7 until the last of a row is done, a read behind each."""
    verify = f"{AT}.verify={{pulses: 5/2, rounds: 7, read: 10 ns, energy: 0.2 pJ, source: a test}}"
    plain, found = cost(policy="one_copy"), cost(None, verify, policy="one_copy")
    assert found.energy["pulses"] * 2 == plain.energy["pulses"] * 5
    assert found.energy["verify"] == found.cells * 5 * 200_000 // 2
    assert found.write == 128 * 7 * (PULSE + 10_000)
    with pytest.raises(InputError, match=r"pulses: must be 1 to 7 \(rounds\), not 8"):
        run(None, verify.replace("5/2", "8"))


def test_weights_come_over_the_narrowest_way():
    """Off-chip, mesh and bus in turn; ideal ones make nobody wait, and all chips' weights come through the first."""
    network = single(128 * 12, 16 * 16, 4)  # 192 full crossbars: two tiles, both on the gate's router
    p = cost(network, policy="one_copy")
    bits = 2 * p.cells
    assert p.load == ceil(bits / 2 * 10**12 / 81.92e9)
    assert cost(network, "off_chip.bandwidth=1 GB/s", policy="one_copy").load == bits * 125
    assert cost(network, "bus.ideal=true", policy="one_copy").load == ceil(bits * 10**12 / 204.8e9)
    assert cost(network, "bus.ideal=true", "off_chip.ideal=true", policy="one_copy").load == 0
    far = cost(network, "network.options={width: 14, height: 12}", "bus.ideal=true", policy="one_copy")
    assert far.load == ceil(bits / 2 / 32) * 1000  # the second tile's half over one link of 32 Gb/s


def test_nothing_else_changes_with_it():
    """Programming is no part of any other figure: change its price and only `programming` differs."""
    cheap, dear = (record(run(None, f"{AT}.energy={energy}", f"{AT}.pulse={pulse}")).document()
                   for energy, pulse in (("1 pJ", "1 ns"), ("4 nJ", "1 ms")))
    assert cheap.pop("programming") != dear.pop("programming")
    for one in (cheap, dear):
        del one["architecture"]["overrides"]
    assert cheap == dear


def test_amortized_over_a_batch(tmp_path):
    result = xbarch.simulate("isaac_like", single(300, 40, 4), images=2, batch=1000)
    p = result["programming"]
    assert p["batch"] == 1000 and p["energy_aj"] == sum(p["by_part_aj"].values())
    assert p["per_image"] == {"cells": p["cells"] / 1000, "time_ps": p["time_ps"] / 1000,
                              "energy_aj": p["energy_aj"] / 1000}
    assert read(result.save(tmp_path / "result.json")).data == json.loads(result.to_json())
    plain = xbarch.simulate("isaac_like", single(300, 40, 4), images=2)
    assert plain["programming.per_image"] is None
    with pytest.raises(InputError, match="batch: must be a whole number from 1 to 1,000,000,000 or None, not 0"):
        run(batch=0)
    with pytest.raises(InputError, match="batch: must be at least 1, not 0"):
        amortized(cost(), 0)


def test_it_is_required(tmp_path):
    """No default: an architecture says what writing costs, or is refused."""
    text = (tmp_path / "a.yaml")
    text.write_text("extends: isaac_like\nname: small\ncrossbar:\n  programming: null\n")
    with pytest.raises(InputError, match=r"crossbar\.programming: required key"):
        load(text, Architecture)
