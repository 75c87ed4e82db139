"""A user's own health rules: CEL over `object`, by kind. The first that holds decides, else Progressing."""

from collections.abc import Iterable
from functools import lru_cache

from atoll.api.application import HealthRule
from atoll.api.expressions import Expression, ExpressionError
from atoll.api.objects import GroupKind, Json, split_api_version
from atoll.api.observation import ObjectHealth
from atoll.api.status import Health
from atoll.observe.wording import clean

REASON = "HealthRule"

_Question = tuple[Health, Expression]


class CustomHealth:
    """The rules of one kind, compiled. The broken is asked for before the paused, the paused before the well."""

    def __init__(self, rules: Iterable[HealthRule]) -> None:
        """Raises `ExpressionError` when one doesn't compile."""
        self._rules = [(_questions(rule), _compile(rule.message) if rule.message else None) for rule in rules]

    def assess(self, body: Json) -> ObjectHealth:
        """A rule that fails, as on a field that isn't there, is Unknown and says why: `has()` asks for fields."""
        try:
            for questions, words in self._rules:
                for health, expression in questions:
                    if expression.matches(object=body):
                        return ObjectHealth(health, REASON, _say(words, body))
        except ExpressionError as error:
            return ObjectHealth("Unknown", REASON, clean(f"spec.health: {error}"))
        return ObjectHealth("Progressing", REASON, _say(self._rules[0][1], body))


class Broken:
    """Stands in for rules that don't compile: nothing is known of such a kind's health."""

    def __init__(self, error: ExpressionError) -> None:
        self._message = clean(f"spec.health: {error}")

    def assess(self, body: Json) -> ObjectHealth:  # noqa: ARG002  # as CustomHealth's
        return ObjectHealth("Unknown", REASON, self._message)


HealthRules = dict[GroupKind, CustomHealth | Broken]


@lru_cache(maxsize=1024)
def compile_rules(rules: tuple[HealthRule, ...]) -> HealthRules:
    """`ApplicationSpec.health` by kind, to be handed to `assess`; the same rules are compiled once."""
    by_kind: dict[GroupKind, list[HealthRule]] = {}
    for rule in rules:
        group, _ = split_api_version(rule.api_version)
        by_kind.setdefault(GroupKind(group, rule.kind), []).append(rule)
    return {kind: _compiled(group) for kind, group in by_kind.items()}


def _compiled(rules: list[HealthRule]) -> CustomHealth | Broken:
    try:
        return CustomHealth(rules)
    except ExpressionError as error:
        return Broken(error)


def _compile(text: str) -> Expression:
    return Expression.compile(text, "object")


def _questions(rule: HealthRule) -> list[_Question]:
    asked: tuple[tuple[Health, str | None], ...] = (
        ("Degraded", rule.degraded),
        ("Suspended", rule.suspended),
        ("Healthy", rule.healthy),
    )
    return [(health, _compile(text)) for health, text in asked if text]


def _say(words: Expression | None, body: Json) -> str:
    """A message that can't be made is left out: the verdict stands without it."""
    if words is None:
        return ""
    try:
        return clean(words.string(object=body))
    except ExpressionError:
        return ""
