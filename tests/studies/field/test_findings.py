"""What the field report says of devices and peripheries: read from files made here, and counted by hand."""

import json
import re
from pathlib import Path

import pytest

from xbarch.errors import InputError
from xbarch.studies.accuracy.rows import Reach
from xbarch.studies.field import findings
from xbarch.studies.field.evidence import Evidence, Speed, gather
from xbarch.studies.field.rows import Field, Method
from xbarch.support.ranks import spearman

CROSSBARS = ("crossbars", "crossbars")


def noisy(workload, noise, value, half=0.05):
    return {"workload": f"digit_pairs/{workload}", "noise": noise, "more": 1,
            "accuracy": {"value": value, "interval_95": [value - half, value + half], "images": 100}}


def paced(workload, variant, datapath, interval, bound="crossbars", network="VGG-16"):
    return {"network": network, "workload": workload, "variant": variant, "datapath": datapath,
            "interval_ps": interval, "bound_by": bound}


def stored(folder):
    (folder / "noise").mkdir()
    (folder / "noise" / "noise.json").write_text(json.dumps({"runs": [
        noisy("vgg7_dense_longer", "none", 0.9), noisy("vgg7_dense_longer", "cells_10pct", 0.88, 0.07),
        noisy("vgg7_huai_4x", "none", 0.8), noisy("vgg7_huai_4x", "cells_10pct", 0.5),
        noisy("vgg7_xue_3bit", "none", 0.7), noisy("vgg7_xue_3bit", "cells_10pct", 0.69)]}))
    (folder / "ranks.json").write_text(json.dumps({"runs": [
        paced("vgg16_meng", "published", "dense", 100, "link"), paced("vgg16_meng", "balanced", "dense", 40),
        paced("vgg16_meng", "published", "meng", 50, "link"), paced("vgg16_meng", "balanced", "meng", 80),
        paced("vgg16_xue", "balanced", "xue", 10, "waiting"), paced("net", "balanced", "xue", 1, network="ResNet")]}))
    return folder


def test_files_beside_the_report_are_read(tmp_path):
    found = gather(stored(tmp_path), "VGG-16")
    assert found.accuracy["huai"] == {"none": 0.8, "cells_10pct": 0.5}
    assert set(found.accuracy) == {"dense", "huai", "xue"}
    assert found.lost("huai", "cells_10pct") == pytest.approx(0.3) and found.lost("huai", "cells_20pct") is None
    assert found.order("cells_10pct") == pytest.approx(0.5)  # 3, 2, 1 against 3, 1, 2
    assert found.unsure == pytest.approx(0.05)
    assert found.speeds == {
        "published": {"vgg16_meng": Speed(2.0, ("link", "link"))},
        "balanced": {"vgg16_meng": Speed(0.5, CROSSBARS), "vgg16_xue": Speed(4.0, ("crossbars", "waiting"))}}


def test_without_files_nothing_is_said(tmp_path):
    assert gather(tmp_path, "VGG-16") == Evidence()


@pytest.mark.parametrize(("file", "text", "said"), [
    ("ranks.json", '{"runs": [{"network": "a"}]}', "runs.0.workload"),
    ("ranks.json", "[1", "ranks.json"),
    ("ranks.json", json.dumps({"runs": [paced("a", "b", "dense", 0)]}), "runs.0.interval_ps"),
])
def test_a_damaged_file_is_named(tmp_path, file, text, said):
    (tmp_path / file).write_text(text)
    with pytest.raises(InputError) as caught:
        gather(tmp_path, "VGG-16")
    assert said in str(caught.value) and file in str(caught.value) and "\n" not in str(caught.value)


def field(evidence):
    never = Reach(2.0, 1.5, 3.0, 4.0)
    methods = [Method(name, 3, (never, never), (None, None), (None, None)) for name in ("huai", "xue")]
    return Field(methods, [], [], None, None, [], [], evidence)


def test_what_errors_cost(tmp_path):
    said = findings._losing(field(gather(stored(tmp_path), "VGG-16")))
    assert said == ["With cells that are programmed with an error of 10 %, 2 of 3 networks keep 90% of their accuracy; "
                    "least is lost by Xue et al. (1.0 points), most by Huai et al. (30.0 points)."]
    devices, = findings._devices(field(gather(tmp_path, "VGG-16")))
    assert "Of 3 networks" in devices and "order without errors +0.50, most accurate the dense network, least Huai" \
        in devices


def test_what_the_periphery_turns_around():
    published = {"a": Speed(2.0, CROSSBARS), "b": Speed(0.5, ("link", "crossbars")), "c": Speed(3.0, ("link", "link"))}
    balanced = {"a": Speed(1.5, CROSSBARS), "b": Speed(2.5, CROSSBARS), "c": Speed(0.9, ("crossbars", "waiting"))}
    said, = findings._periphery(field(Evidence(speeds={"published": published, "balanced": balanced})))
    assert "bind 1 of 3 pairs" in said and "with 2 of the methods faster than dense" in said
    assert "balanced, crossbars bind 2, with 2 faster (2 change sides)" in said and "is \N{MINUS SIGN}1.00" in said
    assert findings._periphery(field(Evidence(speeds={"published": published}))) == []


def test_the_documentation_quotes_the_stored_ranks():
    root = Path(__file__).parents[3]
    text = " ".join((root / "docs" / "field.md").read_text(encoding="utf-8").split())
    said = re.search(r"on VGG-16 is (\S+) with everything shared four times as fast and (\S+) and (\S+) with tiles "
                     r"placed otherwise.*between published and balanced peripheries it is (\S+) on VGG-16", text)
    assert said is not None
    speeds = gather(root / "reports", "VGG-16").speeds
    for quoted, pair in zip(said.groups(), (("balanced", "faster"), ("balanced", "row_major"), ("balanced", "snake"),
                                            ("published", "balanced")), strict=True):
        a, b = ([speeds[name][w].gain for w in speeds["balanced"]] for name in pair)
        assert float(quoted.replace("\N{MINUS SIGN}", "-")) == round(spearman(a, b), 2)
