"""`Issue`: one thing that is wrong with what a user wrote, and where."""

from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


class Issue(NamedTuple):
    """`path` is the field, such as `spec.manifests[2].metadata.name`; `message` says what is wrong and what to do.

    An error keeps the Application from being delivered, a warning doesn't.
    """

    path: str
    message: str
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def warning(path: str, message: str) -> Issue:
    return Issue(path, message, "warning")
