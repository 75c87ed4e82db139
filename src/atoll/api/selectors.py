"""Label selectors, as Kubernetes reads them (k8s.io/apimachinery, labels.Selector)."""

from collections.abc import Mapping

from atoll.api.common import LabelSelector, SelectorRequirement


def mismatch(selector: LabelSelector, labels: Mapping[str, str]) -> str:
    """What of `selector` does not hold for `labels`, in words; "" when all holds, as an empty one always does."""
    for key, wanted in selector.match_labels.items():
        if labels.get(key) != wanted:
            return f"label {key} is {_shown(labels, key)}, not {wanted}"
    for requirement in selector.match_expressions:
        if not _holds(requirement, labels):
            return f"label {requirement.key} is {_shown(labels, requirement.key)}, not {_wanted(requirement)}"
    return ""


def _holds(requirement: SelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":  # an absent label is not in any set
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None


def _shown(labels: Mapping[str, str], key: str) -> str:
    return labels.get(key, "missing") or '""'


def _wanted(requirement: SelectorRequirement) -> str:
    match requirement.operator:
        case "In":
            return "one of " + ", ".join(requirement.values)
        case "NotIn":
            return "other than " + ", ".join(requirement.values)
        case "Exists":
            return "present"
        case "DoesNotExist":
            return "absent"
