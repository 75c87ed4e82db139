"""kubectl's JSONPath, as far as people use it."""

import pytest

from atoll.cli.exits import UsageError
from atoll.cli.jsonpath import evaluate

DATA = {
    "metadata": {"name": "shop", "labels": {"app.kubernetes.io/name": "x"}},
    "status": {
        "conditions": [{"type": "Applied", "status": "True"}, {"type": "Ready", "status": "False", "n": 3}],
        "summary": {"clusters": 2, "ok": True},
    },
    "items": [{"name": "a", "tags": ["1", "2"]}, {"name": "b", "tags": []}],
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.metadata.name}", "shop"),
        ("name={.metadata.name}!", "name=shop!"),
        ("{$.metadata.name}", "shop"),
        ('{.status.conditions[?(@.type=="Ready")].status}', "False"),
        ("{.status.conditions[?(@.type!='Ready')].type}", "Applied"),
        ("{.status.conditions[?(@.n==3)].type}", "Ready"),
        ("{.items[*].name}", "a b"),
        ("{.items[0].name}{.items[-1].name}{.items[7].name}", "ab"),
        ("{.metadata.labels['app.kubernetes.io/name']}", "x"),
        (r"{.metadata.labels.app\.kubernetes\.io/name}", "x"),
        ("{.status.summary}", '{"clusters":2,"ok":true}'),
        ("{.status.summary.*}", "2 true"),
        ("{.nothing.here}", ""),
        ('{range .items[*]}{.name}:{"\\t"}{.tags[0]}{"\\n"}{end}done', "a:\t1\nb:\t\ndone"),
        ("{range .items[*]}{range .tags[*]}{@}{end};{end}", "12;;"),
        ("{range .none[*]}{.name}{end}after", "after"),
    ],
)
def test_what_a_template_gives(template: str, text: str) -> None:
    assert evaluate(template, DATA) == text


@pytest.mark.parametrize("template", ["{.a[}", "{..name}", "{range .items[*]}{.name}", "{end}"])
def test_what_cannot_be_read_is_wrong_usage(template: str) -> None:
    with pytest.raises(UsageError, match="jsonpath"):
        evaluate(template, DATA)


@pytest.mark.parametrize("template", ["{.status", "status}", "{.a}{", "}"])
def test_a_brace_that_stands_alone_is_no_text(template: str) -> None:
    with pytest.raises(UsageError, match="stands alone"):
        evaluate(template, DATA)
