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
from xbarch.specs.load import Document, document, load, override, read, validate
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
    assert a.crossbar.rows == below.crossbar.rows
    for name, component in a.components.items():  # what is inherited is priced for what it was written for
        assert component.of == {"crossbar.adc_bits": 8, "hierarchy.tiles": 168}
        assert component.model_copy(update={"of": {}}) == below.components[name]
    assert load(first, Architecture).hierarchy == below.hierarchy
    assert load(second, Architecture, ["crossbar.adc_bits=5"]).crossbar.adc_bits == 5


@pytest.mark.parametrize("text, says", [
    ("name: x\nextends: 3\n", ":2: extends: must be a bundled name or a path, not 3"),
    ("extends: spec.yaml\n", ":1: extends: extends itself by way of 'spec.yaml'"),
    ("extends: nowhere\n", "extends: nowhere: no such file"),
    ("extends: isaac_like\nname: x\ncrossbar:\n  adc_bits: 99\n", ":4: crossbar.adc_bits: must be at most 16, not 99"),
    ("extends: isaac_like\nname: x\ncrossbar:\n  wide: 9\n", ":4: crossbar.wide: unknown"),
])
def test_extends_refused(write, text, says):
    assert says in str(refused(write(text)))


def test_operation_unit_larger_than_its_crossbar(write):
    unit = "operation_unit: {rows: 16, columns: 129, read: 15 ns, source: here}"
    path = write(f"extends: isaac_like\ncrossbar:\n  {unit}\n")
    assert "operation_unit: must be at most 128 x 128, the crossbar, not 16 x 129" in str(refused(path))


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
    ("  rows: 128", "  rows: 0", "crossbar.rows", "must be at least 1, not 0"),
    ("  rows: 128", "  rows: -5", "crossbar.rows", "must be at least 1, not -5"),
    ("  rows: 128", "  rows: 1000000000000", "crossbar.rows", "must be at most 4096, not 1000000000000"),
    ("  rows: 128", "  rows: true", "crossbar.rows", "must be a whole number, not true"),
    ("  rows: 128", "  rows: .nan", "crossbar.rows", "must be a whole number, not nan"),
    ("  rows: 128", "  rows: .inf", "crossbar.rows", "must be a whole number, not inf"),
    ("  rows: 128", "  rows: 1e30", "crossbar.rows", "must be a whole number, not 1e+30"),
    ("  rows: 128", "  rows: 128.0", "crossbar.rows", "must be a whole number, not 128.0"),
    ("  rows: 128", "  rows: '128'", "crossbar.rows", "must be a whole number, not '128'"),
    ("  rows: 128", "  rows:", "crossbar.rows", "must be a whole number, not nothing"),
    ("  rows: 128", "  rows: [1]", "crossbar.rows", "must be a whole number, not a list"),
    ("  rows: 128", "  rows: {a: 1}", "crossbar.rows", "must be a whole number, not a mapping"),
    ("  rows: 128", "  row: 128", "crossbar.row", "unknown key 'row'; the keys here are rows, columns, cell_bits, "
     "unit_column, subtraction, dac_bits, adc_bits, adcs_per_crossbar, read, read_rows, conversion, sensing, "
     "signed_inputs, operation_unit, gated, programming, source; did you mean 'rows'?"),
    ("  rows: 128", "  rows: 128\n  clok: 3", "crossbar.clok", "unknown key 'clok'; the keys here are rows, columns"),
    ("  columns: 128", "  rows: 64", "crossbar.rows", "the key 'rows' is given twice, first in line "),
    ("  read: 100 ns", "  read: 100 lightyears", "crossbar.read", "such as '100 ns', not '100 lightyears'"),
    ("  read: 100 ns", "  read: 100", "crossbar.read", "must be a time with its unit ("),
    ("  read: 100 ns", "  read: -100 ns", "crossbar.read", "must be a time of at least 0, not '-100 ns'"),
    ("  read: 100 ns", "  read: 0 ns", "crossbar.read", "must be at least 1 ps, not '0 ns'"),
    ("  read: 100 ns", "  read: 1e30 s", "crossbar.read", "must be at most 1000 s, not '1e30 s'"),
    ("  read: 100 ns", "  read: true", "crossbar.read", "such as '100 ns', not 'True'"),
    ("  unit_column: true", "  unit_column: yes", "crossbar.unit_column", "must be true or false, not 'yes'"),
    ("  unit_column: true", "  unit_column: 1", "crossbar.unit_column", "must be true or false, not 1"),
    ("  adcs_per_crossbar: 1", "  adcs_per_crossbar: 1/0", "crossbar.adcs_per_crossbar",
     "or a fraction such as 1/4, not '1/0'"),
    ("name: isaac_like", "name: 3", "name", "must be text (in quotes if it looks like a number), not 3"),
    ("name: isaac_like", "name: ISAAC", "name", "must be text of the form ^[a-z][a-z0-9_]*$, not 'ISAAC'"),
    ("name: isaac_like", "name: ''", "name", "must have at least 1 character, not 0"),
    ("schema: xbarch.architecture/2", "schema: xbarch.architecture/9", "schema",
     "must be xbarch.architecture/1 or xbarch.architecture/2, not 'xbarch.architecture/9'"),
    ("    level: tile", "    level: tle", "components.edram.level",
     "must be chip, tile or ima, not 'tle'; did you mean 'tile'?"),
    ("    power: 20.7 mW", "    power: 20.7 pJ", "components.edram.power", "such as '16 mW', not '20.7 pJ'"),
    ("  tiles: 168 ", "  tiles: 16777216 ", "hierarchy.tiles", "must be at most 65536, not 16777216"),
    ("transfer, lat", "transfer, unit: bus, lat", "pipeline.stages.1.unit", "must be one of `units` (there "
     "is none), not bus"),
    ("role: transfer", "role: transfr", "pipeline.stages.1.role", "; did you mean 'transfer'?"),
    ("  rows: 128", "  rows: !!python/object:os.system 1", "crossbar.rows", "tags are not read; remove"),
    ("  rows: 128", "  rows: !!int 1", "crossbar.rows", "tags are not read; remove"),
    ("  rows: 128", "  rows: &a 128", "crossbar.rows", "anchors are not read; remove &a"),
    ("  rows: 128", "  rows: *a", "crossbar.rows", "aliases are not read; write the value of *a out"),
    ("  rows: 128", "  <<: {rows: 128}", "crossbar", "merge keys (<<) are not read"),
    ("  rows: 128", "  3: 128", "crossbar", "a key must be text, not '3'"),
    ("  rows: 128", "  [1]: 128", "crossbar", "a key must be text, not a list or mapping"),
    ("  rows: 128", "  rows: " + "9" * 5000, "crossbar.rows", "a number must have at most 100 characters, not 5000"),
    ("  rows: 128", "  rows: " + "9" * 90, "crossbar.rows", "must be at most 4096, not " + "9" * 57 + "..."),
    ("  rows: 128", "  rows: " + "x" * 5000, "crossbar.rows", "must be a whole number, not '" + "x" * 57 + "...'"),
    ("  rows: 128", '  rows: "\\e[31m\\n"', "crossbar.rows",
     "must be printable text; the control character U+001B is not"),
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
        f"spec.yaml:{line}: crossbar.rows: required key 'rows' is missing")


def test_missing_at_the_top(write):
    error = refused(write("a: 1\n", "top.yaml"), model=SyntheticRecipe)
    assert (error.line, error.field) == (1, "a") and "unknown key 'a'; the keys here are kind, network" in str(error)
    error = refused(write("kind: synthetic\n", "top.yaml"), model=SyntheticRecipe)
    assert (error.line, error.field) == (1, "network")


def test_consistency_between_sections(write):
    content, line = changed("  options: {width: 7,", "  options: {width: 1,")
    error = refused(write(content), check=buildable)
    assert (error.line, error.field) == (line, "network.options") and str(error).endswith(
        "network.options: the topology has room for 24 tiles; it must hold all of hierarchy.tiles = 168")


def test_absurd_number_of_crossbars(write):
    content = TEXT.replace("tiles: 168", "tiles: 65536").replace("imas_per_tile: 12", "imas_per_tile: 4096")
    content = content.replace("crossbars_per_ima: 8", "crossbars_per_ima: 4096").replace("width: 7", "width: 1024")
    content = content.replace("height: 6", "height: 1024")
    error = refused(write(content))
    assert error.field == "hierarchy" and "not 1,099,511,627,776" in str(error)


def test_no_such_file(tmp_path):
    message = str(refused("isac_like"))
    assert message == (f"isac_like: no such file; the bundled architectures are "
                       f"{', '.join(bundled.names('architectures'))}; did you mean 'isaac_like'?")
    assert "no such file" in str(refused(tmp_path / "none.yaml"))
    assert "no such file" in str(refused("a\0b"))
    assert "no such file" in str(refused("x" * 5000))
    assert "must be a file, not a folder or device" in str(refused(tmp_path))
    assert "must be a file, not a folder or device" in str(refused("/dev/null"))


# -- hostile text: bounded work, one sentence ---------------------------------------------------------------------

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join(f'*{a}' for _ in range(9))}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))

HOSTILE = {
    "alias bomb": (BOMB, "spec.yaml:1: a: anchors are not read; remove &a"),
    "self alias": ("a: &a [*a]\n", "spec.yaml:1: a: anchors are not read; remove &a"),
    "alias alone": ("\na: *b\n", "spec.yaml:2: a: aliases are not read; write the value of *b out"),
    "deep lists": ("a: " + "[" * 40_000, f"spec.yaml:1: a.0.0: is nested deeper than {DEPTH} levels"),
    "deep mappings": ("a: " + "{a: " * 30_000, f"spec.yaml:1: a.a.a: is nested deeper than {DEPTH} levels"),
    "deep dashes": ("a:\n " + "- " * 40_000, f"spec.yaml:2: a.0.0: is nested deeper than {DEPTH} levels"),
    "deep keys": ("? " * 40_000, "spec.yaml:1: a key must be text, not a list or mapping"),
    "deep indentation": ("".join(" " * i + "a:\n" for i in range(400)), "spec.yaml:33: a.a.a: is nested deeper"),
    "closing brackets": ("a: " + "]" * 40_000, "spec.yaml:1: not YAML: "),
    "many values": ("a: [" + "1," * (NODES + 1) + "]", f"has more than {NODES:,} values"),
    "large": ("a: " + "x" * BYTES, f"spec.yaml: must be at most {BYTES:,} bytes long, not {BYTES + 3:,}"),
    "long key": ("x" * 100_000 + ": 1\n", "spec.yaml:1: not YAML: "),
    "long quoted key": ('? "' + "x" * 100_000 + '"\n: 1\n', "unknown key '" + "x" * 57 + "...'"),
    "NUL": ("a: 1\nb: \0\n", "spec.yaml:2: must be printable text; the control character U+0000"),
    "escape": ("a: \x1b[31m\n", "spec.yaml:1: must be printable text; the control character U+001B"),
    "not UTF-8": (b"a: 1\nb: \xff\xfe\n", "spec.yaml:2: must be UTF-8 text; the byte 0xff is not"),
    "UTF-16": ("a: 1\n".encode("utf-16"), "spec.yaml:1: must be UTF-8 text; the byte 0xff is not"),
    "two byte order marks": (b"\xef\xbb\xbf\xef\xbb\xbfa: 1\n", "must be printable text; the control character U+FEFF"),
    "surrogate escape": ('a: "\\ud800"\n', "spec.yaml:1: "),
    "beyond Unicode": ('a: "\\U00110000"\n', "spec.yaml:1: not YAML: "),
    "empty": ("", "is empty"),
    "only comments": ("# nothing\n\n", "is empty"),
    "null": ("null\n", "spec.yaml:1: must hold key: value lines at the top"),
    "list at the top": ("- a: 1\n", "spec.yaml:1: must hold key: value lines at the top"),
    "text at the top": ("hello\n", "spec.yaml:1: must hold key: value lines at the top"),
    "two documents": ("a: 1\n---\nb: 2\n", "spec.yaml:2: has a second document"),
    "tag": ("a: !!python/object/apply:os.system [id]\n", "spec.yaml:1: a: tags are not read; remove "),
    "own tag": ("%TAG ! tag:x,2000:\n---\na: !x y\n", "spec.yaml:3: a: tags are not read; remove "),
    "tab": ("a:\n\tb: 1\n", "spec.yaml:2: not YAML: "),
    "open quote": ('a: "x\nb: 1\n', "not YAML: "),
    "open brace": ("a: {b: 1\n", "not YAML: "),
    "bad indentation": ("a: 1\n  b: 2\n", "spec.yaml:2: not YAML: "),
    "duplicate": ("a: 1\nb:\n  c: 1\n  c: 2\n", "spec.yaml:4: b.c: the key 'c' is given twice, first in line 3"),
    "duplicate, quoted": ("a: 1\n'a': 2\n", "spec.yaml:2: a: the key 'a' is given twice, first in line 1"),
    "key true": ("true: 1\n", "spec.yaml:1: a key must be text, not 'true'"),
    "key null": ("~: 1\n", "spec.yaml:1: a key must be text, not '~'"),
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


@pytest.mark.parametrize("text", ['a: "\\x1b[31m"', 'a: "\\0"', 'a: "\\u202e"', '"\\x1b": 1', 'a: ["\\x9b"]',
                                  'a: "\\u2066"'])
def test_values_are_printable_however_they_are_written(text):
    """An escape in double quotes is printable text, what it stands for is not."""
    with pytest.raises(InputError, match=r"x:1: .*must be printable text; the control character U\+"):
        parse(text, "x")
    assert parse(r'a: "1\t\n\u00e9\u4e2d\U0001F600"', "x")[0] == {"a": "1\t\n\u00e9\u4e2d\U0001F600"}


def test_a_named_pipe_is_not_opened(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.yaml")
    assert "must be a file, not a folder or device" in str(refused(tmp_path / "pipe.yaml"))


def test_nesting_within_the_limit():
    value, _ = parse("[" * DEPTH + "]" * DEPTH, "x")
    for _ in range(DEPTH - 1):
        [value] = value
    assert value == []


# -- damaged files ------------------------------------------------------------------------------------------------

def small():
    """ISAAC with the components of a few stages and without prose: the same kinds of value, quicker to read."""
    data, kept = document(ISAAC).data, ("edram", "bus", "crossbar", "tile_shift_add", "activation", "hypertransport")
    data["components"] = {k: data["components"][k] for k in kept}
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


@pytest.mark.parametrize("seeds", [range(100), pytest.param(range(100, 2_000), marks=pytest.mark.full)])
def test_mutated(write, seeds):
    validate(document(write(small())), Architecture)
    assert 0.1 < storm(write, small(), seeds) / len(seeds) < 0.995
    some = range(10_000 + seeds.start // 10, 10_000 + seeds.stop // 10)
    assert 0.1 < storm(write, TEXT, some) / len(some) < 0.995


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


@pytest.mark.parametrize("text", ['"1.2 mW"', '"2"', '""', '"a\\u0041"', '"a\\"b"', '"a\\\\n"', '"é"', '" x "', '"x" ',
                                  '"a" # b', '"' + 200 * "x" + '"', "1", "1_0", "0x10", "1e3", "true", "yes", 20 * "1"])
def test_values_of_overrides_are_read_as_yaml(text):
    """Those that need no YAML parser too."""
    assert override(Document("a.yaml", {"a": None}), f"a={text}").data == {"a": parse(text, "a.yaml")[0]}


def test_overrides_apply_in_order():
    a = load("isaac_like", Architecture, ["buffer={size: 1 KB, access_bits: 8, access: 1 ns, source: here}",
                                          "crossbar.columns=7", "buffer.access_bits=9"])
    assert (a.buffer.access_bits, a.buffer.access, a.crossbar.columns) == (9, 1000, 7)


def test_one_field_twice_is_refused():
    assert str(refused("isaac_like", "crossbar.rows=64", "crossbar.columns=7", " crossbar.rows =64")) == (
        "--set: crossbar.rows is set twice, by 'crossbar.rows=64' and ' crossbar.rows =64'; set it once")


def test_an_override_is_blamed_for_what_no_longer_fits_it():
    error = refused("isaac_like", "crossbar.rows=64", "hierarchy.tiles=65536", check=buildable)
    assert str(error) == ("--set hierarchy.tiles=65536: network.options: the topology has room for 168 tiles; it "
                          "must hold all of hierarchy.tiles = 65536")


@pytest.mark.parametrize(("text", "message"), [
    ("off_chip.bandwidth=0 GB/s", "must be at least 1 b/s, not '0 GB/s'"),
    ("crossbar.read=0.0 ns", "must be at least 1 ps, not '0.0 ns'"),
    ("crossbar.read=2000 s", "must be at most 1000 s, not '2000 s'"),
    ("components.edram.area=3 GHz", "must be an area with its unit (nm^2, um^2, µm^2, mm^2), "
     "such as '0.0096 mm^2', not '3 GHz'"),
    ("name=" + "a" * 70, "must have at most 64 characters, not 70"),
    ("pipeline.stages=[]", "must have at least 1 item, not 0"),
])
def test_bounds_have_units_and_lengths_are_counted(text, message):
    assert str(refused("isaac_like", text)).endswith(message)


@pytest.mark.parametrize("source", [None, 5, ["isaac_like"]])
def test_a_source_that_is_no_path(source):
    assert "must be a path or a bundled name, not" in str(refused(source))


def test_override_mends_a_file(write):
    """Prices of a machine that was none are taken for the one that is."""
    content, _ = changed("  rows: 128", "  rows: 0")
    mended = load(write(content), Architecture, ["crossbar.rows=64"])
    assert mended.crossbar.rows == 64 and not mended.components["adc"].of


def test_what_prices_are_written_for(write):
    """Of the file that states them, through overrides and files over files; whoever states a figure states it anew."""
    a = load(ISAAC, Architecture, ["crossbar.rows=256", "components.dac.power=9 mW"])
    assert a.components["adc"].of == {"crossbar.rows": 128} and a.components["dac"].of == {}
    assert (a.crossbar.read_rows, load(ISAAC, Architecture, ["crossbar.rows=256", "crossbar.read=1 us"]
                                       ).crossbar.read_rows) == (128, None)
    first = write("extends: isaac_like\ncrossbar: {rows: 256}\n", "first.yaml")
    again = load(first, Architecture, ["crossbar.rows=64", "crossbar.columns=64"])
    assert again.components["adc"].of == {"crossbar.rows": 128, "crossbar.columns": 128}
    assert not load(write("extends: isaac_like\nprices: restated\ncrossbar: {rows: 256}\n"), Architecture
                    ).components["adc"].of
    assert "prices: must be scaled or restated, not 'free'" in str(refused(write(
        "extends: isaac_like\nprices: free\n")))


def test_a_source_belongs_to_its_number(write):
    """Whoever changes a figure and states no source is not covered by the one of the figure before."""
    old = load(ISAAC, Architecture).components
    here = "changed here, from: " + old["adc"].source
    a = load(ISAAC, Architecture, ["components.adc.power=9 mW", "components.dac.note=a remark"]).components
    assert (a["adc"].source, a["dac"].source, a["bus"].source) == (here, old["dac"].source, old["bus"].source)
    own = load(ISAAC, Architecture, ["components.adc.power=9 mW", "components.adc.source=my paper"])
    assert own.components["adc"].source == "my paper"
    text = "extends: isaac_like\nPRICEScomponents: {adc: {count: 9}, dac: {power: 9 mW, source: mine}}\n"
    for prices in ("", "prices: restated\n"):
        first = write(text.replace("PRICES", prices), "first.yaml")
        found = load(first, Architecture, ["components.bus.area=1 mm^2"]).components
        assert [found[name].source for name in ("adc", "dac", "bus")] == [
            here, "mine", "changed here, from: " + old["bus"].source]
        again = load(write("extends: first.yaml\ncomponents: {adc: {count: 10}}\n", "again.yaml"), Architecture)
        assert again.components["adc"].source == here
    same = write(f"extends: isaac_like\ncomponents: {{adc: {{count: 9, source: '{old['adc'].source}'}}}}\n", "s.yaml")
    assert load(same, Architecture).components["adc"].source == old["adc"].source  # said anew
    long = write("extends: first.yaml\ncomponents: {adc: {source: " + 600 * "x" + "}}\n", "long.yaml")
    assert len(load(long, Architecture, ["components.adc.power=8 mW"]).components["adc"].source) == 600


@pytest.mark.parametrize("name", sorted(bundled.known("architectures")))
def test_bundled_files_give_the_source_of_every_figure(name):
    assert not [key for key, c in load(name, Architecture).components.items() if c.source.startswith("changed here")]


def test_override_opens_an_empty_section(write):
    path = write("kind: synthetic\nnetwork: vgg7\nweight_bits: 4\ninput_bits: 4\npruning:\n")
    recipe = load(path, SyntheticRecipe, ["pruning.method=meng", "pruning.sparsity=0.5"])
    assert recipe.pruning is not None and recipe.pruning.sparsity == 0.5


@pytest.mark.parametrize("text, message", [
    ("crossbar.rows=abc", "--set crossbar.rows=abc: must be a whole number, not 'abc'"),
    ("crossbar.rows=0", "--set crossbar.rows=0: must be at least 1, not 0"),
    ("crossbar.row=3", "--set crossbar.row=3: unknown key 'row'; the keys here are rows, columns, cell_bits, "
     "unit_column, subtraction, dac_bits, adc_bits, adcs_per_crossbar, read, read_rows, conversion, sensing, "
     "signed_inputs, operation_unit, gated, programming, source; did you mean 'rows'?"),
    ("crosbar.rows=3", "--set crosbar.rows=3: unknown key 'crosbar'; the keys here are schema, name, summary, source, "
     "technology, node, node_model, crossbar, hierarchy, precision, buffer, global_buffer, bus, network, off_chip, "
     "pipeline, units, dataflow, datapath, noise, components, kinds, processes; did you mean 'crossbar'?"),
    ("components.edrm.power=3 mW", "--set components.edrm.power=3 mW: components.edrm.level: required key 'level' "
     "is missing; did you mean 'edram'?"),
    ("pipeline.stages.6.latency=1 ns", "--set pipeline.stages.6.latency=1 ns: pipeline.stages: a position in this list "
     "must be 0 to 5, not '6'"),
    ("pipeline.stages.-1.latency=1 ns", "--set pipeline.stages.-1.latency=1 ns: pipeline.stages: a position in this "
     "list must be 0 to 5, not '-1'"),
    ("pipeline.stages.x=1", "--set pipeline.stages.x=1: pipeline.stages: a position in this list must be 0 to 5, "
     "not 'x'"),
    ("name.x=3", "--set name.x=3: name: is a single value and has no key 'x'"),
    ("components.edram.constant=true", "--set components.edram.constant=true: components.edram: constant power takes "
     "no action, actions, per, energy or covers"),
    ("crossbar.rows", "--set: must be a.b.c=value, not 'crossbar.rows'"),
    ("=3", "--set: must be a.b.c=value, not '=3'"),
    ("a..b=3", "--set: must be a.b.c=value, not 'a..b=3'"),
    ("crossbar.rows=", "--set: must be a.b.c=value, not 'crossbar.rows='"),
    ("crossbar.rows=&a 3", "--set crossbar.rows=&a 3: anchors are not read; remove &a and write values out"),
    ("crossbar.rows=# 3", "--set crossbar.rows=# 3: is empty; keys and values are needed"),
    ("crossbar.rows=\x1b[31m", "--set crossbar.rows=?[31m: must be printable text; the control character "
     "U+001B is not"),
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
    ("guard:\n  kind: dog\n  bark: loud\n", 3, "guard.bark", "must be a number, not 'loud'"),
    ("guard:\n  kind: dog\n  bark: 0\n", 3, "guard.bark", "must be more than 0, not 0"),
    ("guard:\n  kind: cat\n  lives: 10\n", 3, "guard.lives", "must be less than 10, not 10"),
    ("guard:\n  kind: cow\n", 2, "guard.kind", "must be cat or dog, not 'cow'"),
    ("guard:\n  kind: dog\n  brk: 1\n", 3, "guard.brk",
     "unknown key 'brk'; the keys here are kind, lives, bark; did you mean 'bark'?"),
    ("ratio: .nan\n", 1, "ratio", "must be a finite number, not nan"),
    ("ratio: 1e999\n", 1, "ratio", "must be a finite number, not inf"),
    ("label: 3\n", 1, "label", "must be text (in quotes if it looks like a number), not 3"),
    ("weights:\n  a: 1\n  b: x\n", 3, "weights.b", "must be a number, not 'x'"),
    ("weights: []\n", 1, "weights", "must be a mapping (key: value lines), not a list"),
    ("animals: {}\n", 1, "animals", "must be a list, not a mapping"),
    ("animals: [1]\n", 1, "animals.0", "must be a mapping (key: value lines), not 1"),
    ("animals:\n - {kind: cat, lives: 9}\n - {kind: cat}\n", 3, "animals.1.lives", "required key 'lives' is missing"),
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
