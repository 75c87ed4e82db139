"""What each scalar means, as kubectl 1.36 answered (`create --dry-run=client -o json`). tests/fleet asks again."""

from typing import Any

import pytest

from atoll.api.yamltext import YamlError, read

SCALARS: list[tuple[str, Any]] = [
    ("y", True),
    ("Y", True),
    ("yes", True),
    ("Yes", True),
    ("YES", True),
    ("yEs", "yEs"),
    ("on", True),
    ("On", True),
    ("ON", True),
    ("off", False),
    ("n", False),
    ("N", False),
    ("no", False),
    ("NO", False),
    ("true", True),
    ("True", True),
    ("TRUE", True),
    ("tRue", "tRue"),
    ("false", False),
    ("~", None),
    ("null", None),
    ("Null", None),
    ("NULL", None),
    ("nUll", "nUll"),
    ("", None),
    ("0777", 511),
    ("0o777", 511),
    ("0x1F", 31),
    ("0b101", 5),
    ("-0b101", -5),
    ("1_000", 1000),
    ("1_0.5", 10.5),
    ("08", 8),
    ("0", 0),
    ("-0", 0),
    ("+1", 1),
    ("-1", -1),
    ("+0777", 511),
    ("-0777", -511),
    ("1e3", 1000),
    ("1E3", 1000),
    ("1e400", "1e400"),
    (".5", 0.5),
    ("5.", 5),
    ("-.5", -0.5),
    ("1.0", 1),
    ("1.50", 1.5),
    ("100000000000000000000", 1e20),
    ("9223372036854775807", 9223372036854775807),
    ("9223372036854775808", 9.223372036854776e18),
    ("18446744073709551615", 1.8446744073709552e19),
    ("18446744073709551616", 1.8446744073709552e19),
    ("0.1", 0.1),
    ("1e21", 1e21),
    ("1e20", 1e20),
    ("1e-7", 1e-07),
    ("123456789.125", 123456789.125),
    ("12:30:45", "12:30:45"),
    ("1:30", "1:30"),
    ("190:20:30", "190:20:30"),
    ("2001-01-01", "2001-01-01"),
    ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
    ("<<", "<<"),
    ("=", "="),
    ("0x", "0x"),
    ("0o", "0o"),
    ("0b2", "0b2"),
    ("1__0", 10),
    ("_1", "_1"),
    ("1_", 1),
    ("0x_1F", 31),
    ("00", 0),
    ("01", 1),
    ("0.", 0),
    ("e3", "e3"),
    ("1e", "1e"),
    ("+", "+"),
    ("-a", "-a"),
    (".", "."),
    ("..", ".."),
    ("1.2.3", "1.2.3"),
    ("0777.5", 777.5),
    ("0_7", 7),
    ("+.5", 0.5),
    ("!!str 123", "123"),
    ('!!int "3"', 3),
    ("!!str", ""),
    ("!!float 3", 3),
    ("!!bool yes", True),
    ('!!null ""', None),
    ("!!binary aGVsbG8=", "hello"),
    ('"yes"', "yes"),
    ("'0777'", "0777"),
    ("!!str yes", "yes"),
    ("0x7fffffffffffffff", 9223372036854775807),
    ("0xffffffffffffffff", 1.8446744073709552e19),
    ("0xfffffffffffffffff", "0xfffffffffffffffff"),
    ("-9223372036854775808", -9223372036854775808),
    ("-9223372036854775809", -9.223372036854776e18),
    ("1e2", 100),
    ("12e03", 12000),
    ("-0.0", 0),
    ("0e0", 0),
    ("1.e3", 1000),
    ("5e-324", 5e-324),
    ("2.5e+3", 2500),
    ("1_000.5", 1000.5),
    ("0b", "0b"),
    ("!foo bar", "bar"),
    ("! 12", "12"),
    ("!!timestamp 2001-01-01", "2001-01-01"),
    ("0o8", "0o8"),
    ("-0o17", -15),
    ("+0x1F", 31),
    ("+12e3", 12000),
    ("685.230_15e+03", 685230.15),
    ("0xFFp1", "0xFFp1"),
    ("0x1p-2", "0x1p-2"),
    ("Infinity", "Infinity"),
    ("nan", "nan"),
    ("inf", "inf"),
    ("1e1000", "1e1000"),
    ("-1e400", "-1e400"),
    ("0X1F", 31),
    ("0B1", 1),
    ("0O7", 7),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_a_scalar(text: str, value: Any) -> None:
    [document] = read(f"v: {text}\n")
    assert document == {"v": value}
    assert type(document["v"]) is type(value)


@pytest.mark.parametrize(
    ("key", "read_as"),
    [
        ("on", "true"),
        ("1", "1"),
        ("1.5", "1.5"),
        ("0x10", "16"),
        ("2001-01-01", "2001-01-01"),
        ("1e3", "1000"),
        ('"1"', "1"),
    ],
)
def test_a_key_is_always_a_string(key: str, read_as: str) -> None:
    assert read(f"{key}: x\n") == [{read_as: "x"}]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("a: >-\n  x\n  y\n", {"a": "x y"}),
        ("a: |\r\n  x\r\n", {"a": "x\n"}),
        ("\ufeffa: 1\n", {"a": 1}),
        ("a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x 1\nb: &x 2\nc: *x\n", {"a": 1, "b": 2, "c": 2}),
        ("a: &x {b: 1, d: 1}\nc: {<<: *x, b: 2}\n", {"a": {"b": 1, "d": 1}, "c": {"b": 2, "d": 1}}),
        (
            "a: &x {b: 1}\nc: &z {b: 3, d: 3}\ne: {<<: [*x, *z]}\n",
            {"a": {"b": 1}, "c": {"b": 3, "d": 3}, "e": {"b": 1, "d": 3}},
        ),
        ('a: {"<<": {b: 1}}\n', {"a": {"<<": {"b": 1}}}),
        ("a: !!set {b, c}\n", {"a": {"b": None, "c": None}}),
        ("a: !custom {b: 1}\n", {"a": {"b": 1}}),
        ('{"a": "\\ud83d\\ude00", "b": 1.0, "c": [1e3, 2.5]}', {"a": "😀", "b": 1, "c": [1000, 2.5]}),
        ("{a: b}\n", {"a": "b"}),
    ],
)
def test_a_document(text: str, value: Any) -> None:
    assert read(text) == [value]


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("a: 1\n---\nb: 2\n", [{"a": 1}, {"b": 2}]),
        ("---\n# nothing\n---\na: 1\n---\n...\n", [{"a": 1}]),
        ('{"a": 1}\n{"b": 2}\n', [{"a": 1}, {"b": 2}]),
        ("", []),
        ("# a remark\n", []),
    ],
)
def test_several_documents(text: str, documents: list[Any]) -> None:
    assert read(text) == documents


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n\tb: 1\n", "line 2, column 1: found character that cannot start any token"),
        ("a: 1\na: 2\n", "line 2, column 1: the key 'a' is given twice"),
        ("on: 1\ntrue: 2\n", "line 2, column 1: the key 'true' is given twice"),
        ('{"a": 1, "a": 2}', "the key 'a' is given twice"),
        ("a: *x\n", "line 1, column 4: the alias *x has no anchor before it"),
        ("a: &x {b: *x}\n", "line 1, column 11: the alias *x has no anchor before it"),
        ("a: &x {b: 1}\nc: {b: 2, <<: *x}\n", "line 2, column 11: '<<' would override 'b': write '<<' first"),
        ("a: {<<: {}, <<: {}}\n", "line 1, column 13: the key '<<' is given twice"),
        ("a: {<<: 1}\n", "line 1, column 5: '<<' takes a mapping or a list of mappings"),
        ("? [a]\n: 1\n", "line 1, column 3: a key is a string"),
        ("null: 1\n", "line 1, column 1: a key is a string"),
        ("a: .inf\n", "line 1, column 4: .inf has no JSON"),
        ("a: !!int x\n", "line 1, column 4: 'x' is no int"),
        ('a: !!binary "%"\n', "line 1, column 4: !!binary holds no base64"),
        ("a: [1\nb: 2\n", "line 2, column 2: did not find expected ',' or ']'"),
        ("%YAML 3.0\n---\na: 1\n", "found incompatible YAML document"),
    ],
)
def test_what_is_refused_and_where(text: str, message: str) -> None:
    with pytest.raises(YamlError) as refused:
        read(text)
    assert message in str(refused.value)


def test_aliases_are_copies() -> None:
    [document] = read("a: &x {b: []}\nc: *x\n")
    document["a"]["b"].append(1)
    assert document["c"] == {"b": []}


def test_a_billion_laughs_are_stopped() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    with pytest.raises(YamlError, match="aliases unfold to more than 1,000,000 nodes"):
        read("\n".join(lines))


@pytest.mark.parametrize("text", ["[" * 5000, '{"a":' * 50_000, "a: " + "{b: " * 300 + "}" * 300])
def test_a_deep_document_is_refused(text: str) -> None:
    with pytest.raises(YamlError):
        read(text)
