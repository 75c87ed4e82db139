"""CEL expressions: what holds, what fails and with which words, and what is refused before it runs."""

import time
from typing import Any

import pytest

from atoll.api.expressions import Expression, ExpressionError, TooMuchError

CLUSTER: dict[str, Any] = {
    "name": "eu-1",
    "provider": "aws",
    "region": "eu-west-1",
    "zone": "",
    "version": "v1.36.1",
    "labels": {"env": "prod"},
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ('cluster.provider == "aws"', True),
        ('cluster.labels.env == "prod" && cluster.region.startsWith("eu-")', True),
        ('cluster.labels["env"] in ["dev", "test"]', False),
        ('has(cluster.labels.tier) && cluster.labels.tier == "1"', False),
        ('!("tier" in cluster.labels)', True),
        ('cluster.version.matches("^v1[.]3[4-9]")', True),
        ('cluster.labels.exists(key, key.startsWith("e"))', True),
        ('cluster.labels.tier == "1" || cluster.name == "eu-1"', True),  # CEL: an error on one side of || is forgiven
        ('r"\\" != "" // a remark with ".map(" in it', True),
    ],
)
def test_an_expression_over_a_cluster(text: str, holds: bool) -> None:
    assert Expression.compile(text, "cluster").matches(cluster=CLUSTER) is holds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('cluster.labels.tier == "1"', "no such key 'tier': cluster.labels.tier == \"1\""),
        ("cluster.name", "the result is a string, not true or false: cluster.name"),
        ("cluster.labels", "the result is a map, not true or false"),
        ("cluster.name + 1 == ''", "Unsupported operation: string + int"),
        ("1 / 0 == 1", "division by zero"),
        ("9223372036854775807 + 1 > 0", "Arithmetic overflow"),
        ("[1][5] == 1", "index out of bounds: 5"),
        ("'a'.matches('[')", "not a valid regex"),
    ],
)
def test_an_expression_that_cannot_tell_says_why(text: str, message: str) -> None:
    expression = Expression.compile(text, "cluster")
    with pytest.raises(ExpressionError) as failed:
        expression.matches(cluster=CLUSTER)
    assert message in str(failed.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cluster.", "line 1, column 9: no viable alternative at input '.'"),
        ('cluster.name ==\n"a" &&& true', "line 2, column 7: token recognition error"),
        ("", "line 1, column 1: mismatched input '<EOF>'"),
        ("clutser.name == 'a'", "unknown name clutser; known: cluster"),
        ("cluster.labels.exists(x, y == x)", "unknown name y; known: cluster"),
        ("cluster.nmae == 'a'", "cluster has no nmae; it has name, provider, region, zone, labels, version"),
        ("cluster.name.split('-') == ['a']", "unknown function split"),
        ("object.status.ok", "unknown name object; known: cluster"),
        ("((" * 100 + "true" + "))" * 100, "column 97: nested too deep"),
        ("'" + "x" * 2048 + "' == ''", "longer than 2048 characters"),
        (" || ".join(["cluster.labels.exists(x, x == 'a')"] * 17), "more than 16 macros"),
        ("[1].map(x, x).map(x, x).map(x, x) == [1]", "more than 2 of map and filter"),
        ("[1].all(a, [1].all(b, [1].all(c, [1].all(d, true))))", "macros nested more than 3 deep"),
        ("1" + " + 1" * 11 + " == 12", "more than 10 additions"),
        (r"cluster.name.matches(r'\pL{100}')", "too much to compute, whatever it is given"),
        (r"cluster.name.matches('(\\w{9}){9}')", "too much to compute, whatever it is given"),
        (r"cluster.name.matches(r'\w{9}{9}{9}')", "too much to compute, whatever it is given"),
        (r"cluster.name.matches(r'(\w{9})+{20}')", "too much to compute, whatever it is given"),
        (r"cluster.name.matches(r'(?ix)\w{ 300 }')", "a pattern takes no flag x"),
        ("cluster.name.matches('\\u007b')", "a pattern takes no"),
        ("cluster.name.matches(cluster.labels.p)", "matches takes a pattern that is written out"),
        (f"[{'1,' * 300}1].all(x, [1].all(y, x == y))", "too much to compute, whatever it is given"),
    ],
)
def test_what_does_not_compile(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as failed:
        Expression.compile(text, "cluster")
    assert message in str(failed.value)


def test_a_text_for_people() -> None:
    message = Expression.compile("object.status.conditions.filter(c, c.type == 'Ready')[0].message", "object")
    assert (
        message.string(object={"status": {"conditions": [{"type": "Ready", "message": "low on disk"}]}})
        == "low on disk"
    )
    with pytest.raises(ExpressionError, match="the result is a number, not a string"):
        Expression.compile("object.n", "object").string(object={"n": 5})


@pytest.mark.parametrize(
    "text",
    [
        "object.l.all(x, object.l.all(y, x + y >= 0))",
        "size(object.l.map(x, x)) > 0",
        "size(object.l.filter(x, x > 5)) > 0",
    ],
)
def test_an_expression_cannot_hold_up_the_hub(text: str) -> None:
    expression = Expression.compile(text, "object")
    started = time.monotonic()
    with pytest.raises(ExpressionError, match="too much to compute: macros over 100000 items"):
        expression.matches(object={"l": list(range(100_000))})
    assert expression.matches(object={"l": list(range(100))})
    assert time.monotonic() - started < 1


COSTLY = (
    "cluster.labels.all(a, cluster.labels.all(b, size(cluster.labels.map(c, cluster.labels)) > 0))",
    "cluster.labels.all(a, cluster.labels.all(b, cluster.labels.all(c, cluster.labels[a] == cluster.labels[b])))",
    "cluster.labels.all(a, a.matches('^[a-z]+[0-9]*$') && cluster.labels.all(b, b.matches('^[a-z]+[0-9]*$')))",
)
"""The first took two seconds, for one cluster of twenty labels."""


@pytest.mark.parametrize("text", COSTLY)
def test_what_is_too_much_for_a_cluster_says_nothing_of_it(text: str) -> None:
    expression = Expression.compile(text, "cluster")
    assert expression.matches(cluster={"labels": {"a": "b"}})
    with pytest.raises(TooMuchError):
        expression.matches(cluster={"labels": {f"k{n}": "v" * 60 for n in range(40)}})


@pytest.mark.parametrize(
    "text",
    [
        "['eu', 'us'].exists(p, cluster.labels.exists(k, k.startsWith(p)))",
        "cluster.labels.exists(k, cluster.labels[k] == cluster.region)",
        r"cluster.labels.exists(k, k.matches('^eu$|^gpu\\.')) || cluster.labels.all(k, k.matches(r'^example\.com/'))",
        "cluster.name.matches('^(eu|us)-[a-z]+-[0-9]{1,3}$') && cluster.version.matches(r'^v1\\.3[0-9]')",
    ],
)
def test_what_people_ask_is_answered_with_many_labels_too(text: str) -> None:
    labels = {f"k{n}": "v" for n in range(64)}
    wanted = {"name": "eu-west-1", "region": "v", "version": "v1.36.1", "labels": labels | {"eu": "1"}}
    assert Expression.compile(text, "cluster").matches(cluster=wanted)


def test_a_text_is_compiled_once() -> None:
    assert Expression.compile("cluster.name == 'a'", "cluster") is Expression.compile("cluster.name == 'a'", "cluster")
