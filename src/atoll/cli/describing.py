"""What `atoll cluster describe` says of the agent of a cluster that the hub can't reach itself."""

from typing import TYPE_CHECKING

from atoll.api.times import format_time

if TYPE_CHECKING:
    from atoll.api.cluster import Cluster
    from atoll.kube.client import Client
    from atoll.link.sight import Sight


async def agent_facts(hub: "Client", c: "Cluster") -> dict[str, object]:
    """As the hub sees its agent now; empty for a cluster that has none."""
    from atoll.fleet.asking import sight
    from atoll.kube.errors import KubeError

    if c.spec.connection.mode == "direct":
        return {}
    try:
        seen = await sight(hub, c.metadata.name)
    except KubeError as error:
        return {"Connected": f"unknown: {error}"}
    if seen is None:
        return {"Connected": f"never since this hub began; `atoll cluster register {c.metadata.name}` starts one"}
    return _facts(seen)


def _facts(seen: "Sight") -> dict[str, object]:
    side = f", {seen.connections} connections side by side" if seen.connections > 1 else ""
    return {
        "Connected": f"{'yes' if seen.connected else 'no'}, since {format_time(seen.since)}{side}",
        "Version": seen.version,
        "Address": seen.address,
        "Last heard": format_time(seen.heard),
        "Round trip": f"{seen.round_trip * 1000:.1f} ms" if seen.round_trip else "",
        "Received": f"{seen.received} bytes",
        "Sent": f"{seen.sent} bytes",
        "Certificate": f"until {format_time(seen.certificate)}",
    }
