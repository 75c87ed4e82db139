"""CEL expressions: what holds, what fails and with which words, and what is refused before it runs."""

import time
from typing import Any

import pytest

from atoll.api.expressions import Expression, ExpressionError

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


def test_a_text_is_compiled_once() -> None:
    assert Expression.compile("cluster.name == 'a'", "cluster") is Expression.compile("cluster.name == 'a'", "cluster")
