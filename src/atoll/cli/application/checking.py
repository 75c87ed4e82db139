"""What the CLI checks before it sends: the same pure `validate()` that the hub uses."""

from typing import TYPE_CHECKING

from atoll.cli.exits import CommandError
from atoll.cli.printing import note, warn

if TYPE_CHECKING:
    from atoll.api.objects import Json


def check(body: "Json", *, known_clusters: frozenset[str] | None = None, reach: bool = True) -> None:
    """Print warnings; raise CommandError when something is wrong, after each error with its field's path.

    `reach`: its namespace may reach beyond itself, or whether it may isn't known here; the hub judges again.
    """
    from atoll.api.validate import validate

    issues = validate(body, known_clusters=known_clusters, reach=reach)
    for issue in issues:
        if issue.severity != "error":
            warn(f"{issue.path}: {issue.message}")
    errors = [issue for issue in issues if issue.severity == "error"]
    name = (body.get("metadata") or {}).get("name", "")
    if len(errors) == 1:
        raise CommandError(f"application {name} is not valid: {errors[0].path}: {errors[0].message}")
    if errors:
        for issue in errors:
            note(f"  {issue.path}: {issue.message}")
        raise CommandError(f"application {name} is not valid: {len(errors)} errors, listed above")
