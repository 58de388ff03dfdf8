"""What commands print on narrow terminals: every line fits, every number and word is whole."""

import json
import re
from collections import Counter

import pytest

from xbarch.support import bundled

LONG = "machine_" + "w" * 50  # a part that no line breaks by itself
NET = "digit_pairs/vgg7_segprune_8x"
POINTS = {"kind": "sweep", "architectures": ["isaac_like"], "workloads": [NET], "images": 1,
          "axes": {"crossbar.adc_bits": [7, 8]}}
TRIALS = {"kind": "search", "architectures": ["isaac_like"], "workloads": [NET], "images": 1,
          "axes": {"crossbar.adc_bits": [6, 7, 8, 9]}, "objectives": {"latency.first_image_ps": "min"}, "trials": 2}
COMMANDS = [
    "list", "list --long", "list studies", "show isaac_like", "show meng", "show vgg7_pruned", "doctor",
    "validate isaac_like", "validate long.yaml", "show long.yaml",
    "verify -a isaac_like -w vgg7_pruned", "accuracy -a long.yaml -w vgg7_pruned --images 2",
    f"simulate -a isaac_like -w {NET} --images 1 --full", f"simulate -a long.yaml -w {NET} --images 2",
    f"compare -a isaac_like,long.yaml -w {NET} -d dense,own --images 1",
    "compare saved saved saved", f"matrix -a isaac_like,long.yaml -w {NET} --images 1",
    "sweep points.yaml --processes 1", "search trials.yaml --processes 1",
]
QUICK = {"list", "list --long", "show long.yaml", "doctor", "compare saved saved saved"}
COPIED = re.compile(r"written: |trial \d+: ")  # what a reader copies is on one line

NUMBER = re.compile(r"(?<![\w.:/-])\d[\d,]*(?:\.\d+)?(?: (?:[µnpfam]?[JWs]|mm²)(?!\w)|[×%])?(?![\w:/-]|\.\d)")
WORD = re.compile(r"[^\W\d_]{2,20}")


@pytest.fixture
def here(tmp_path, monkeypatch, call):
    """A folder with an architecture of a hostile name, a saved result, a sweep and a search."""
    monkeypatch.chdir(tmp_path)
    text = (bundled.folder("architectures") / "isaac_like.yaml").read_text()
    (tmp_path / "long.yaml").write_text(text.replace("name: isaac_like", f"name: {LONG}"))
    (tmp_path / "points.yaml").write_text(json.dumps(POINTS))
    (tmp_path / "trials.yaml").write_text(json.dumps(TRIALS))
    return tmp_path


def told(text):
    """The numbers with their units and the words of a text, with how often they are in it."""
    found = Counter(match.group() for match in NUMBER.finditer(text))
    return found + Counter(word.group() for name in text.split() if "w" * 5 not in name
                           for word in WORD.finditer(name))


@pytest.mark.parametrize("words", [pytest.param(words, marks=[] if words in QUICK else pytest.mark.full)
                                   for words in COMMANDS])
def test_a_screen_fits_and_nothing_is_cut(here, call, monkeypatch, words):
    if "saved" in words:
        assert call("simulate", "-a", "long.yaml", "-w", NET, "--images", 1, "--out", "saved")[0] == 0
    screens = {}
    for width in (1_000, 80, 60):
        monkeypatch.setenv("COLUMNS", str(width))
        code, screens[width], error = call(*words.split())
        assert code == 0, error
    for width in (80, 60):
        lines = [line for line in screens[width].splitlines() if not COPIED.match(line)]
        assert [line for line in lines if len(line) > width] == []
        if words != "list studies":  # brief: summaries end with the line
            assert told(screens[1_000]) - told(screens[width]) == Counter()
