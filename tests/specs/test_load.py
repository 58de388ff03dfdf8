"""Reading specs: what is accepted, and every refusal with file, line and field."""

import json
import random
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from xbarch.errors import InputError
from xbarch.machine.build import buildable
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import document, load, read, validate
from xbarch.specs.text import BYTES, DEPTH, NODES, parse
from xbarch.support import bundled
from xbarch.workload.zoo import SyntheticRecipe

ISAAC = bundled.folder("architectures") / "isaac_like.yaml"
TEXT = ISAAC.read_text(encoding="utf-8")


@pytest.fixture
def write(tmp_path):
    """Write a file, get its path."""
    def make(content, name="spec.yaml"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path
    return make


def changed(old, new):
    """ISAAC with one line changed, and the number of that line."""
    assert TEXT.count(old) >= 1, old
    return TEXT.replace(old, new, 1), TEXT[:TEXT.index(old)].count("\n") + 1


def refused(source, *overrides, model=Architecture, check=None):
    with pytest.raises(InputError) as caught:
        load(source, model, overrides, check=check)
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and message.isprintable(), message
    return caught.value


# -- one file over another ----------------------------------------------------------------------------------------

def test_extends_puts_one_file_over_another(write):
    """Key by key: what is not named stays, a whole value replaces a whole value; chains end in the last."""
    first = write("extends: isaac_like\nname: first\ncrossbar: {adc_bits: 7}\n", "first.yaml")
    second = write("extends: first.yaml\nname: second\nhierarchy: {tiles: 9}\n", "second.yaml")
    below, a = load(ISAAC, Architecture), load(second, Architecture)
    assert (a.name, a.crossbar.adc_bits, a.hierarchy.tiles) == ("second", 7, 9)
    assert a.crossbar.rows == below.crossbar.rows and a.components == below.components
    assert load(first, Architecture).hierarchy == below.hierarchy
    assert load(second, Architecture, ["crossbar.adc_bits=5"]).crossbar.adc_bits == 5


@pytest.mark.parametrize("text, says", [
    ("name: x\nextends: 3\n", ":2: extends: found 3, allowed a bundled name or a path"),
    ("extends: spec.yaml\n", ":1: extends: found 'spec.yaml', which comes back to this file, allowed another"),
    ("extends: nowhere\n", "nowhere: no such file"),
    ("extends: isaac_like\nname: x\ncrossbar:\n  adc_bits: 99\n", ":4: crossbar.adc_bits: found 99"),
    ("extends: isaac_like\nname: x\ncrossbar:\n  wide: 9\n", ":4: crossbar.wide: unknown"),
])
def test_extends_refused(write, text, says):
    assert says in str(refused(write(text)))


def test_operation_unit_larger_than_its_crossbar(write):
    unit = "operation_unit: {rows: 16, columns: 129, read: 15 ns, source: here}"
    path = write(f"extends: isaac_like\ncrossbar:\n  {unit}\n")
    assert "operation_unit: found 16 x 129, allowed at most the crossbar's 128 x 128" in str(refused(path))


# -- values -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text, value", [
    ("16", 16), ("-3", -3), ("+3", 3), ("0o17", 15), ("0x1F", 31), ("007", 7), ("1.5", 1.5), ("1e3", 1e3), (".5", 0.5),
    ("~", None), ("null", None), ("true", True), ("False", False), ("yes", "yes"), ("on", "on"), ("n", "n"),
    ("1_000", "1_000"), ("12:30", "12:30"), ("2001-01-01", "2001-01-01"), ("'16'", "16"), ('"true"', "true"),
    ("16 mW", "16 mW"), ("1/4", "1/4"), ("[1, a, [2]]", [1, "a", [2]]),
    ("{a: 1, b: {c: x}}", {"a": 1, "b": {"c": "x"}}),
    ("|\n  two\n  lines\n", "two\nlines\n"), ("0b1", "0b1"), ("tRue", "tRue"),
])
def test_core_schema(text, value):
    found, _ = parse(f"k: {text}", "x")
    assert found == {"k": value} and type(found["k"]) is type(value)


def test_lines():
    _, lines = parse("# c\na: 1\nb:\n  - x\n  - {y: 2,\n     z: 3}\n\nc: |\n  t\nd: e\n", "x")
    assert lines == {("a",): 2, ("b",): 3, ("b", 0): 4, ("b", 1): 5, ("b", 1, "y"): 5, ("b", 1, "z"): 6,
                     ("c",): 8, ("d",): 10}


def test_windows_files_and_byte_order_mark(write):
    path = write(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert load(path, Architecture) == load(ISAAC, Architecture)
    assert read(path)[1] == read(ISAAC)[1]


def test_a_path_wins_over_a_bundled_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load("isaac_like", Architecture).hierarchy.tiles == 168
    assert load("isaac_like.yaml", Architecture).hierarchy.tiles == 168
    Path("isaac_like.yaml").write_text(TEXT.replace("tiles: 168", "tiles: 100"), encoding="utf-8")
    assert load("isaac_like.yaml", Architecture).hierarchy.tiles == 100


def test_recipes_too():
    assert load("vgg16_imagenet_dense16", SyntheticRecipe, kind="workloads").network == "vgg16_imagenet"


# -- refusals, with place -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("old, new, field, says", [
    ("  rows: 128", "  rows: 0", "crossbar.rows", "found 0, allowed at least 1"),
    ("  rows: 128", "  rows: -5", "crossbar.rows", "found -5, allowed at least 1"),
    ("  rows: 128", "  rows: 1000000000000", "crossbar.rows", "found 1000000000000, allowed at most 4096"),
    ("  rows: 128", "  rows: true", "crossbar.rows", "found true, allowed a whole number"),
    ("  rows: 128", "  rows: .nan", "crossbar.rows", "found nan, allowed a whole number"),
    ("  rows: 128", "  rows: .inf", "crossbar.rows", "found inf, allowed a whole number"),
    ("  rows: 128", "  rows: 1e30", "crossbar.rows", "found 1e+30, allowed a whole number"),
    ("  rows: 128", "  rows: 128.0", "crossbar.rows", "found 128.0, allowed a whole number"),
    ("  rows: 128", "  rows: '128'", "crossbar.rows", "found '128', allowed a whole number"),
    ("  rows: 128", "  rows:", "crossbar.rows", "found nothing, allowed a whole number"),
    ("  rows: 128", "  rows: [1]", "crossbar.rows", "found a list, allowed a whole number"),
    ("  rows: 128", "  rows: {a: 1}", "crossbar.rows", "found a mapping, allowed a whole number"),
    ("  rows: 128", "  row: 128", "crossbar.row", "unknown key 'row', allowed rows, columns, cell_bits, "
     "unit_column, subtraction, dac_bits, adc_bits, adcs_per_crossbar, read, conversion, sensing, operation_unit, "
     "programming, source; did you mean 'rows'?"),
    ("  rows: 128", "  rows: 128\n  clok: 3", "crossbar.clok", "unknown key 'clok', allowed rows, columns"),
    ("  columns: 128", "  rows: 64", "crossbar.rows", "found the key 'rows' twice (first in line "),
    ("  read: 100 ns", "  read: 100 lightyears", "crossbar.read", "found '100 lightyears', allowed a time with"),
    ("  read: 100 ns", "  read: 100", "crossbar.read", "found '100', allowed a time with its unit"),
    ("  read: 100 ns", "  read: -100 ns", "crossbar.read", "found '-100 ns', allowed a time of at least 0"),
    ("  read: 100 ns", "  read: 0 ns", "crossbar.read", "found '0 ns', allowed at least 1 ps"),
    ("  read: 100 ns", "  read: 1e30 s", "crossbar.read", "found '1e30 s', allowed at most"),
    ("  read: 100 ns", "  read: true", "crossbar.read", "found 'True', allowed a time"),
    ("  unit_column: true", "  unit_column: yes", "crossbar.unit_column", "found 'yes', allowed true or false"),
    ("  unit_column: true", "  unit_column: 1", "crossbar.unit_column", "found 1, allowed true or false"),
    ("  adcs_per_crossbar: 1", "  adcs_per_crossbar: 1/0", "crossbar.adcs_per_crossbar", "found '1/0', allowed"),
    ("name: isaac_like", "name: 3", "name", "found 3, allowed text"),
    ("name: isaac_like", "name: ISAAC", "name", "found 'ISAAC', allowed text of the form"),
    ("name: isaac_like", "name: ''", "name", "found 0 characters, allowed at least 1"),
    ("schema: xbarch.architecture/1", "schema: xbarch.architecture/9", "schema",
     "found 'xbarch.architecture/9', allowed 'xbarch.architecture/1'; did you mean 'xbarch.architecture/1'?"),
    ("    level: tile", "    level: tle", "components.edram.level",
     "allowed 'chip', 'tile' or 'ima'; did you mean 'tile'?"),
    ("    power: 20.7 mW", "    power: 20.7 pJ", "components.edram.power", "found '20.7 pJ', allowed a power"),
    ("  tiles: 168 ", "  tiles: 16777216 ", "hierarchy.tiles", "found 16777216, allowed at most 65536"),
    ("unit: bus, lat", "unit: omnibus, lat", "pipeline.stages.1.unit", "found 'omnibus', allowed a component: edram"),
    ("role: transfer", "role: transfr", "pipeline.stages.1.role", "; did you mean 'transfer'?"),
    ("  rows: 128", "  rows: !!python/object:os.system 1", "crossbar.rows", "found the tag"),
    ("  rows: 128", "  rows: !!int 1", "crossbar.rows", "found the tag"),
    ("  rows: 128", "  rows: &a 128", "crossbar.rows", "found the anchor &a"),
    ("  rows: 128", "  rows: *a", "crossbar.rows", "found the alias *a"),
    ("  rows: 128", "  <<: {rows: 128}", "crossbar", "found the merge key <<"),
    ("  rows: 128", "  3: 128", "crossbar", "found '3' as a key, allowed text"),
    ("  rows: 128", "  [1]: 128", "crossbar", "found a list or mapping as a key, allowed text"),
    ("  rows: 128", "  rows: " + "9" * 5000, "crossbar.rows", "found a number of 5000 characters"),
    ("  rows: 128", "  rows: " + "9" * 90, "crossbar.rows", "found " + "9" * 57 + "..., allowed"),
    ("  rows: 128", "  rows: " + "x" * 5000, "crossbar.rows", "found '" + "x" * 57 + "...', allowed a whole number"),
    ("  rows: 128", '  rows: "\\e[31m\\n"', "crossbar.rows", "found '?[31m?', allowed a whole number"),
])
def test_one_wrong_line(write, old, new, field, says):
    content, line = changed(old, new)
    path = write(content)
    line += new.count("\n")
    error = refused(path)
    assert str(error).startswith(f"{path}:{line}: {field}: "), error
    assert says in str(error)
    assert (error.file, error.line, error.field) == (str(path), line, field)


def test_missing_key_is_placed_at_its_parent(write):
    content = TEXT.replace("  rows: 128\n", "", 1)
    line = TEXT[:TEXT.index("crossbar:\n")].count("\n") + 1
    assert str(refused(write(content))).endswith(
        f"spec.yaml:{line}: crossbar.rows: found no key 'rows', which is required")


def test_missing_at_the_top(write):
    error = refused(write("a: 1\n", "top.yaml"), model=SyntheticRecipe)
    assert (error.line, error.field) == (1, "a") and "unknown key 'a', allowed kind, network" in str(error)
    error = refused(write("kind: synthetic\n", "top.yaml"), model=SyntheticRecipe)
    assert (error.line, error.field) == (1, "network")


def test_consistency_between_sections(write):
    content, line = changed("  options: {width: 7,", "  options: {width: 1,")
    error = refused(write(content), check=buildable)
    assert (error.line, error.field) == (line, "network.options") and "found room for 24 tiles" in str(error)


def test_absurd_number_of_crossbars(write):
    content = TEXT.replace("tiles: 168", "tiles: 65536").replace("imas_per_tile: 12", "imas_per_tile: 4096")
    content = content.replace("crossbars_per_ima: 8", "crossbars_per_ima: 4096").replace("width: 7", "width: 1024")
    content = content.replace("height: 6", "height: 1024")
    error = refused(write(content))
    assert error.field == "hierarchy" and "found 1,099,511,627,776 crossbars" in str(error)


def test_no_such_file(tmp_path):
    message = str(refused("isac_like"))
    assert message == (f"isac_like: no such file, and bundled architectures are "
                       f"{', '.join(bundled.names('architectures'))}; did you mean 'isaac_like'?")
    assert "no such file" in str(refused(tmp_path / "none.yaml"))
    assert "no such file" in str(refused("a\0b"))
    assert "no such file" in str(refused("x" * 5000))
    assert "found a folder or device" in str(refused(tmp_path))
    assert "found a folder or device" in str(refused("/dev/null"))


# -- hostile text: bounded work, one sentence ---------------------------------------------------------------------

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join(f'*{a}' for _ in range(9))}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))

HOSTILE = {
    "alias bomb": (BOMB, "spec.yaml:1: a: found the anchor &a"),
    "self alias": ("a: &a [*a]\n", "spec.yaml:1: a: found the anchor &a"),
    "alias alone": ("\na: *b\n", "spec.yaml:2: a: found the alias *b"),
    "deep lists": ("a: " + "[" * 40_000, f"spec.yaml:1: a.0.0: found nesting deeper than {DEPTH}"),
    "deep mappings": ("a: " + "{a: " * 30_000, f"spec.yaml:1: a.a.a: found nesting deeper than {DEPTH}"),
    "deep dashes": ("a:\n " + "- " * 40_000, f"spec.yaml:2: a.0.0: found nesting deeper than {DEPTH}"),
    "deep keys": ("? " * 40_000, "spec.yaml:1: found a list or mapping as a key"),
    "deep indentation": ("".join(" " * i + "a:\n" for i in range(400)), "spec.yaml:33: a.a.a: found nesting deeper"),
    "closing brackets": ("a: " + "]" * 40_000, "spec.yaml:1: not YAML: "),
    "many values": ("a: [" + "1," * (NODES + 1) + "]", f"found more than {NODES:,} values"),
    "large": ("a: " + "x" * BYTES, f"spec.yaml: found {BYTES + 3:,} bytes, allowed at most {BYTES:,}"),
    "long key": ("x" * 100_000 + ": 1\n", "spec.yaml:1: not YAML: "),
    "long quoted key": ('? "' + "x" * 100_000 + '"\n: 1\n', "unknown key '" + "x" * 57 + "...'"),
    "NUL": ("a: 1\nb: \0\n", "spec.yaml:2: found the control character U+0000"),
    "escape": ("a: \x1b[31m\n", "spec.yaml:1: found the control character U+001B"),
    "not UTF-8": (b"a: 1\nb: \xff\xfe\n", "spec.yaml:2: found the byte 0xff, allowed UTF-8 text"),
    "UTF-16": ("a: 1\n".encode("utf-16"), "spec.yaml:1: found the byte 0xff, allowed UTF-8 text"),
    "two byte order marks": (b"\xef\xbb\xbf\xef\xbb\xbfa: 1\n", "spec.yaml:1: found the control character U+FEFF"),
    "surrogate escape": ('a: "\\ud800"\n', "spec.yaml:1: "),
    "beyond Unicode": ('a: "\\U00110000"\n', "spec.yaml:1: not YAML: "),
    "empty": ("", "found nothing, allowed"),
    "only comments": ("# nothing\n\n", "found nothing, allowed"),
    "null": ("null\n", "spec.yaml:1: found no mapping at the top"),
    "list at the top": ("- a: 1\n", "spec.yaml:1: found no mapping at the top"),
    "text at the top": ("hello\n", "spec.yaml:1: found no mapping at the top"),
    "two documents": ("a: 1\n---\nb: 2\n", "spec.yaml:2: found a second document"),
    "tag": ("a: !!python/object/apply:os.system [id]\n", "spec.yaml:1: a: found the tag "),
    "own tag": ("%TAG ! tag:x,2000:\n---\na: !x y\n", "spec.yaml:3: a: found the tag "),
    "tab": ("a:\n\tb: 1\n", "spec.yaml:2: not YAML: "),
    "open quote": ('a: "x\nb: 1\n', "not YAML: "),
    "open brace": ("a: {b: 1\n", "not YAML: "),
    "bad indentation": ("a: 1\n  b: 2\n", "spec.yaml:2: not YAML: "),
    "duplicate": ("a: 1\nb:\n  c: 1\n  c: 2\n", "spec.yaml:4: b.c: found the key 'c' twice (first in line 3)"),
    "duplicate, quoted": ("a: 1\n'a': 2\n", "spec.yaml:2: a: found the key 'a' twice (first in line 1)"),
    "key true": ("true: 1\n", "spec.yaml:1: found 'true' as a key"),
    "key null": ("~: 1\n", "spec.yaml:1: found '~' as a key"),
    "key newline": ('"a\\nb": 1\n', "spec.yaml:1: a?b: unknown key 'a?b'"),
    "key markup": ('"<script>": 1\n', "unknown key '<script>'"),
    "lone percent": ("%\n", "not YAML: "),
    "many percents": ("%a b\n" * 20_000, "not YAML: "),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile(write, case):
    content, says = HOSTILE[case]
    message = str(refused(write(content)))
    assert says in message and "spec.yaml" in message
    assert len(message) < 1000


def test_a_named_pipe_is_not_opened(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.yaml")
    assert "found a folder or device" in str(refused(tmp_path / "pipe.yaml"))


def test_nesting_within_the_limit():
    value, _ = parse("[" * DEPTH + "]" * DEPTH, "x")
    for _ in range(DEPTH - 1):
        [value] = value
    assert value == []


# -- damaged files ------------------------------------------------------------------------------------------------

def small():
    """ISAAC without the components that no stage names and without prose: the same kinds of value, quicker to read."""
    data = document(ISAAC).data
    units = [stage["unit"] for stage in data["pipeline"]["stages"]] + ["hypertransport"]
    data["components"] = {k: c for k, c in data["components"].items() if k in units}
    return block(data)


def block(data, indent=""):
    """YAML in block style, down to the lists."""
    text = ""
    for key, value in data.items():
        if isinstance(value, dict):
            text += f"{indent}{key}:\n{block(value, indent + '  ')}"
        elif key not in ("note", "source"):
            text += f"{indent}{key}: {value if isinstance(value, str) else json.dumps(value)}\n"
        elif key == "source":
            text += f"{indent}source: ISAAC\n"
    return text


SPICE = [b":", b" ", b"\n", b"-", b"&a ", b"*a", b"!", b"[", b"{", b"}", b"]", b"'", b'"', b"#", b"\t", b"\0", b"\xff",
         b"%", b"|", b">", b"?", b"<<: ", b"~", b"9" * 30, b"-1", b"e9", b".", b"\\", b"\xe2\x80\xa8", b"---\n", b"@",
         b",", b".inf", b"null", b"true", b'"\\x', b"!!", b"\r", b"\xc2\x85", b"\xef\xbb\xbf"]


def mutate(data, rng):
    """One to three changes: a bit, an insertion, a deletion, a move or a cut."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at, kind = rng.randrange(len(data)), rng.randrange(6)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at:at + rng.randint(0, 2)] = rng.choice(SPICE)
        elif kind == 2:
            del data[at:at + rng.choice((1, 1, 2, 5, 20))]
        elif kind == 3:
            other = rng.randrange(len(data))
            data[at:at] = data[other:other + rng.randint(1, 40)]
        elif kind == 4:
            data[at] = rng.randrange(256)
        elif rng.random() < 0.1:
            del data[at + 1:]
    return bytes(data)


def storm(write, text, seeds):
    """Load damaged copies: a spec or one sentence that names the file; how many were refused."""
    count = 0
    for seed in seeds:
        path = write(mutate(text.encode(), random.Random(seed)), "damaged.yaml")
        try:
            assert isinstance(load(path, Architecture), Architecture)
        except InputError as error:
            count += 1
            message = str(error)
            assert message.startswith(str(path)) and message.isprintable(), (seed, message)
            assert len(message) < 1500, (seed, message)
    return count


def test_mutated(write):
    seeds = range(2_000)
    validate(document(write(small())), Architecture)
    assert 200 < storm(write, small(), seeds) < 1_990
    assert 20 < storm(write, TEXT, range(10_000, 10_200)) < 199


@pytest.mark.long
def test_mutated_long(write):
    assert 2_000 < storm(write, TEXT, range(20_000, 40_000)) < 19_900


# -- overrides ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text, reach, value", [
    ("components.edram.power=30 mW", lambda a: a.components["edram"].power, 30_000),
    ("crossbar.rows=256", lambda a: a.crossbar.rows, 256),
    ("crossbar.read=50 ns", lambda a: a.crossbar.read, 50_000),
    ("crossbar.adcs_per_crossbar=1/8", lambda a: a.crossbar.adcs_per_crossbar, "1/8"),
    ("pipeline.stages.2.latency=300 ns", lambda a: a.pipeline.stages[2].latency, 300_000),
    ("buffer.ideal=true", lambda a: a.buffer.ideal, True),
    ("summary='a: b = c'", lambda a: a.summary, "a: b = c"),
    ("components.adc.note=null", lambda a: a.components["adc"].note, None),
    ("components.spare={level: chip, count: 1, area: 1 mm^2, power: 1 W, constant: true, source: assumed}",
     lambda a: a.components["spare"].power, 10**6),
])
def test_override(text, reach, value):
    before = load("isaac_like", Architecture)
    after = load("isaac_like", Architecture, [text])
    assert reach(after) == value
    assert load("isaac_like", Architecture) == before != after


def test_overrides_apply_in_order():
    a = load("isaac_like", Architecture, ["buffer={size: 1 KB, access_bits: 8, access: 1 ns, source: here}",
                                          "crossbar.columns=7", "buffer.access_bits=9"])
    assert (a.buffer.access_bits, a.buffer.access, a.crossbar.columns) == (9, 1000, 7)


def test_one_field_twice_is_refused():
    assert str(refused("isaac_like", "crossbar.rows=64", "crossbar.columns=7", " crossbar.rows =64")) == (
        "--set: found crossbar.rows twice, as 'crossbar.rows=64' and ' crossbar.rows =64', allowed once")


def test_an_override_is_blamed_for_what_no_longer_fits_it():
    error = refused("isaac_like", "crossbar.rows=64", "hierarchy.tiles=65536", check=buildable)
    assert str(error) == ("--set hierarchy.tiles=65536: network.options: found room for 168 tiles, allowed at least "
                          "hierarchy.tiles = 65536")


@pytest.mark.parametrize(("text", "message"), [
    ("off_chip.bandwidth=0 GB/s", "found '0 GB/s', allowed at least 1 b/s"),
    ("crossbar.read=0.0 ns", "found '0.0 ns', allowed at least 1 ps"),
    ("crossbar.read=2000 s", "found '2000 s', allowed at most 1000 s"),
    ("components.edram.area=3 GHz", "found '3 GHz', allowed an area with its unit (nm^2, um^2, µm^2, mm^2), "
     "such as '0.0096 mm^2'"),
    ("name=" + "a" * 70, "found 70 characters, allowed at most 64"),
    ("pipeline.stages=[]", "found 0 items, allowed at least 6"),
])
def test_bounds_have_units_and_lengths_are_counted(text, message):
    assert str(refused("isaac_like", text)).endswith(message)


@pytest.mark.parametrize("source", [None, 5, ["isaac_like"]])
def test_a_source_that_is_no_path(source):
    assert "allowed a path or a bundled name" in str(refused(source))


def test_override_mends_a_file(write):
    content, _ = changed("  rows: 128", "  rows: 0")
    assert load(write(content), Architecture, ["crossbar.rows=64"]).crossbar.rows == 64


def test_override_opens_an_empty_section(write):
    path = write("kind: synthetic\nnetwork: vgg7\nweight_bits: 4\ninput_bits: 4\npruning:\n")
    recipe = load(path, SyntheticRecipe, ["pruning.method=meng", "pruning.sparsity=0.5"])
    assert recipe.pruning is not None and recipe.pruning.sparsity == 0.5


@pytest.mark.parametrize("text, message", [
    ("crossbar.rows=abc", "--set crossbar.rows=abc: found 'abc', allowed a whole number"),
    ("crossbar.rows=0", "--set crossbar.rows=0: found 0, allowed at least 1"),
    ("crossbar.row=3", "--set crossbar.row=3: unknown key 'row', allowed rows, columns, cell_bits, "
     "unit_column, subtraction, dac_bits, adc_bits, adcs_per_crossbar, read, conversion, sensing, operation_unit, "
     "programming, source; did you mean 'rows'?"),
    ("crosbar.rows=3", "--set crosbar.rows=3: unknown key 'crosbar', allowed schema, name, summary, source, "
     "technology, crossbar, hierarchy, precision, buffer, bus, network, off_chip, pipeline, components, processes; "
     "did you mean 'crossbar'?"),
    ("components.edrm.power=3 mW", "--set components.edrm.power=3 mW: components.edrm.level: found no key 'level', "
     "which is required; did you mean 'edram'?"),
    ("pipeline.stages.6.latency=1 ns", "--set pipeline.stages.6.latency=1 ns: pipeline.stages: found the position '6', "
     "allowed 0 to 5"),
    ("pipeline.stages.-1.latency=1 ns", "--set pipeline.stages.-1.latency=1 ns: pipeline.stages: found the position "
     "'-1', allowed 0 to 5"),
    ("pipeline.stages.x=1", "--set pipeline.stages.x=1: pipeline.stages: found the position 'x', allowed 0 to 5"),
    ("name.x=3", "--set name.x=3: name: found the key 'x' in a single value, allowed none"),
    ("components.edram.constant=true", "--set components.edram.constant=true: components.edram: constant power has no "
     "action, actions, per, energy or covers"),
    ("crossbar.rows", "--set: found 'crossbar.rows', allowed a.b.c=value"),
    ("=3", "--set: found '=3', allowed a.b.c=value"),
    ("a..b=3", "--set: found 'a..b=3', allowed a.b.c=value"),
    ("crossbar.rows=", "--set: found 'crossbar.rows=', allowed a.b.c=value"),
    ("crossbar.rows=&a 3", "--set crossbar.rows=&a 3: found the anchor &a, allowed values written out"),
    ("crossbar.rows=# 3", "--set crossbar.rows=# 3: found nothing, allowed keys and values"),
    ("crossbar.rows=\x1b[31m", "--set crossbar.rows=?[31m: found the control character U+001B, allowed printable text"),
])
def test_refused_override(text, message):
    assert str(refused("isaac_like", text)) == message


@pytest.mark.parametrize("text", ["a." * 5_000 + "b=1", "crossbar.rows=" + "[" * 40_000, "crossbar.rows=" + "9" * 10**5,
                                  "crossbar.rows=" + "x" * (BYTES + 1), "crossbar.rows=\ud800", "x" * 10**5])
def test_hostile_override(text):
    message = str(refused("isaac_like", text))
    assert message.startswith("--set") and len(message) < 500


def test_an_error_beside_an_override_keeps_its_line(write):
    content, line = changed("  columns: 128", "  columns: 0")
    error = refused(write(content), "crossbar.rows=64")
    assert (error.line, error.field) == (line, "crossbar.columns")


# -- other models -------------------------------------------------------------------------------------------------

class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Cat(Strict):
    kind: Literal["cat"]
    lives: int = Field(lt=10)


class Dog(Strict):
    kind: Literal["dog"]
    bark: float = Field(gt=0)


class Zoo(Strict):
    animals: list[Cat | Dog] = Field(default_factory=list, max_length=3)
    guard: Cat | Dog | None = Field(None, discriminator="kind")
    ratio: float = 0.5
    label: str | None = None
    weights: dict[str, float] = Field(default_factory=dict)


@pytest.mark.parametrize("content, line, field, says", [
    ("guard:\n  kind: dog\n  bark: loud\n", 3, "guard.bark", "found 'loud', allowed a number"),
    ("guard:\n  kind: dog\n  bark: 0\n", 3, "guard.bark", "found 0, allowed more than 0"),
    ("guard:\n  kind: cat\n  lives: 10\n", 3, "guard.lives", "found 10, allowed less than 10"),
    ("guard:\n  kind: cow\n", 2, "guard.kind", "found 'cow', allowed 'cat', 'dog'"),
    ("guard:\n  kind: dog\n  brk: 1\n", 3, "guard.brk",
     "unknown key 'brk', allowed kind, lives, bark; did you mean 'bark'?"),
    ("ratio: .nan\n", 1, "ratio", "found nan, allowed a finite number"),
    ("ratio: 1e999\n", 1, "ratio", "found inf, allowed a finite number"),
    ("label: 3\n", 1, "label", "found 3, allowed text"),
    ("weights:\n  a: 1\n  b: x\n", 3, "weights.b", "found 'x', allowed a number"),
    ("weights: []\n", 1, "weights", "found a list, allowed a mapping"),
    ("animals: {}\n", 1, "animals", "found a mapping, allowed a list"),
    ("animals: [1]\n", 1, "animals.0", "found 1, allowed a mapping"),
    ("animals:\n - {kind: cat, lives: 9}\n - {kind: cat}\n", 3, "animals.1.lives", "found no key 'lives'"),
    ("guard: 3\n", 1, "guard", ""),
])
def test_unions_lists_and_mappings(write, content, line, field, says):
    error = refused(write(content), model=Zoo)
    assert (error.line, error.field) == (line, field), error
    assert says in str(error)


def test_error_of_a_document_for_its_reader(write):
    found = document(write("a: 1\nkind: {b: 2}\n"))
    assert str(found.error("found 2", "kind", "b")) == f"{found.file}:2: kind.b: found 2"
    assert str(found.error("missing", "other")) == f"{found.file}:1: other: missing"
