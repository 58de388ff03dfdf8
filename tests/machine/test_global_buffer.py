"""A buffer that the tiles of a chip share: what comes in and what leaves passes through it."""

import pytest

import xbarch
from xbarch.errors import InputError

TEXT = """
extends: isaac_like
name: shared
global_buffer: {size: 2 MB, access_bits: 8, access: 1 ns, source: "assumed: a test"}
components:
  shared_sram:
    {level: chip, count: 1, area: 4 mm^2, power: 146 mW, energy: 100 pJ, action: ACTION, scope: chip, source: a test}
"""
NETWORK = "{kind: synthetic, network: lenet5, weight_bits: 4, input_bits: 4, description: a test}\n"


@pytest.fixture
def machine(tmp_path):
    def make(action="global_access"):
        file = tmp_path / "shared.yaml"
        file.write_text(TEXT.replace("ACTION", action))
        return file
    return make


@pytest.fixture
def network(tmp_path):
    file = tmp_path / "lenet.yaml"
    file.write_text(NETWORK)
    return file


def test_every_pixel_is_written_and_read_once(machine, network):
    """28 x 28 pixels of 4 bits (or 32 x 32), each in one word."""
    runs = [xbarch.simulate(machine(), network, images=2, engine=engine) for engine in ("simpy", "fast")]
    assert runs[0].record.model_copy(update={"provenance": None}) == runs[1].record.model_copy(
        update={"provenance": None})
    pixels = sum(s.windows for s in xbarch.execute(machine(), network, images=1).graph.flows[:1])
    assert runs[0]["counts.actions.global_access"] == 2 * pixels
    assert runs[0]["energy.by_component_aj.shared_sram"] == 2 * pixels * 100_000_000


def test_its_port_is_shared_unless_ideal(machine, network):
    """A word takes longer to write and read than a pixel takes to come in, so the port sets the pace."""
    slow = ["global_buffer.access=1 us"]
    bound = xbarch.simulate(machine(), network, images=2, overrides=slow)
    free = xbarch.simulate(machine(), network, images=2, overrides=[*slow, "global_buffer.ideal=true"])
    pixels = bound["counts.actions.global_access"] // 2
    assert bound["latency.pipeline_interval_ps"] >= 2 * pixels * 10**6 > free["latency.pipeline_interval_ps"]


def test_its_price_follows_its_size(machine, network):
    """CACTI's 4 MB over its 2 MB, 64 bits an access; its table has none of 8 bits, so that price stays, marked."""
    file = machine()
    file.write_text(file.read_text().replace("access_bits: 8", "access_bits: 64"))
    areas = [xbarch.simulate(file, network, images=1, overrides=[f"global_buffer.size={size}"])[
        "area.by_component_mm2.shared_sram"] for size in ("2 MB", "4 MB")]
    assert areas[1] / areas[0] == pytest.approx(6.27159 / 3.15756, rel=1e-4)


def test_someone_pays(machine, network):
    with pytest.raises(InputError, match="no component prices the action 'global_access'"):
        xbarch.simulate(machine("pool"), network, images=1)
