"""What a migration did, or would do, and what has no equal."""

import msgspec

from atoll.api.objects import Json
from atoll.cli.application.revisions import SALT
from atoll.inquire.masking import masked
from atoll.intake.kubefed.migration import Finding


class Row(msgspec.Struct, frozen=True):
    """One object. `state`: ready, left out, migrated; on the way back ready, left out, back."""

    object: str
    state: str
    name: str = ""
    """Of the Application."""
    clusters: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    changes: tuple[str, ...] = ()
    application: Json | None = None


class Report(msgspec.Struct, frozen=True):
    """`others` are about no object in `objects`; `failed`: what stopped a step, by object."""

    objects: tuple[Row, ...]
    clusters: tuple[Row, ...] = ()
    others: tuple[Finding, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def findings(self) -> list[Finding]:
        return [f for row in (*self.clusters, *self.objects) for f in row.findings] + list(self.others)

    @property
    def changes(self) -> list[str]:
        return [diff for row in self.objects for diff in row.changes]

    @property
    def left_out(self) -> bool:
        return any(row.state == "left out" for row in (*self.objects, *self.clusters))

    @property
    def summary(self) -> str:
        states: dict[str, int] = {}
        for row in self.objects:
            states[row.state] = states.get(row.state, 0) + 1
        return ", ".join(f"{number} {state}" for state, number in sorted(states.items())) or "nothing to do"

    def as_json(self) -> Json:
        """Without the values of Secrets."""
        body: Json = msgspec.to_builtins(self)
        for row in body["objects"]:
            if row["application"] is not None:
                row["application"] = _masked(row["application"])
        return body


def _masked(application: Json) -> Json:
    spec = dict(application["spec"])
    spec["manifests"] = [masked(body, SALT) for body in spec["manifests"]]
    if any(body.get("kind") == "Secret" for body in spec["manifests"]) and "differences" in spec:
        spec["differences"] = [
            {**one, "patches": [{**patch, "value": "***"} if "value" in patch else patch for patch in one["patches"]]}
            if "patches" in one
            else one
            for one in spec["differences"]
        ]
    return application | {"spec": spec}
