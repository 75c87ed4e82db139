"""What one cluster gets, as documents: for `atoll app render`, and whoever wants to see before it is applied."""

from atoll.api.objects import Json
from atoll.plan.model import Plan


class NotRenderedError(Exception):
    """A cluster gets nothing by this plan; the text says why."""


def render(plan: Plan, cluster: str) -> list[Json]:
    """The objects as `cluster` gets them, in the application's order; to be read, not changed.

    Raises `NotRenderedError` with the refusal or the verdict when it gets none.
    """
    delivery = plan.deliveries.get(cluster)
    if delivery is not None:
        return [manifest.body for manifest in delivery.objects]
    refusal = plan.refusals.get(cluster)
    if refusal is not None:
        raise NotRenderedError(f"{cluster}: {refusal.path}: {refusal.message}")
    why = next((verdict.why for verdict in plan.verdicts if verdict.cluster == cluster), "no such cluster")
    raise NotRenderedError(f"{cluster}: {why}")


def render_all(plan: Plan) -> dict[str, list[Json]]:
    """The same for every cluster that gets something, by name."""
    return {cluster: render(plan, cluster) for cluster in plan.deliveries}
