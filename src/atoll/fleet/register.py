"""How a cluster that the hub can't reach is registered: its Cluster object, and what its agent needs to come in."""

from urllib.parse import urlsplit

import msgspec

from atoll.api.common import DNS_LABEL
from atoll.api.names import API_VERSION, HUB_CONFIGMAP, SYSTEM_NAMESPACE
from atoll.fleet import tokens
from atoll.fleet.identity import hub_identity
from atoll.fleet.join import Description, JoinError
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.resources import CLUSTERS, CONFIGMAPS
from atoll.link.certificates import fingerprint

KEY_ADDRESSES, KEY_AUTHORITY, KEY_LEADER = "agents-addresses", "agents-authority", "agents-leader"
"""In ConfigMap `hub`, by the hub: where agents reach it, comma-separated; its authority's certificate (PEM); where the
process listens that leads (host:port), for the others.
"""
MODES = ("tunnel", "pull")
MANAGER = "atoll-cli"


class Registered(msgspec.Struct, frozen=True):
    """What the command for the member is made of. `hub`: the hub's id; `expires`: epoch seconds of the token."""

    hub: str
    address: str
    token: str
    pin: str
    expires: float
    again: bool


async def register(
    hub: Client, name: str, mode: str, *, described: Description, labels: dict[str, str], address: str = "", life: float
) -> Registered:
    """Make Cluster `name`, or take the one that is there, and a token for its agent. `address`: how that one reaches
    the hub, when it isn't what the hub says. Raises JoinError.
    """
    if not DNS_LABEL.fullmatch(name):
        raise JoinError(f"{name!r} can't name a cluster", "use at most 63 lower-case letters, digits and `-`")
    identity = await hub_identity(hub, create=False)
    found = (await hub.get(CONFIGMAPS, HUB_CONFIGMAP, SYSTEM_NAMESPACE)).body().get("data") or {}
    authority = found.get(KEY_AUTHORITY, "")
    address = address or str(found.get(KEY_ADDRESSES, "")).partition(",")[0]
    if not authority or not address:
        raise JoinError("this hub listens for no agents", "start it with `atoll hub --agents-address HOST:PORT`")
    if urlsplit(address).scheme not in {"http", "https"}:
        address = f"https://{address}"
    again = await _cluster(hub, name, mode, described, labels)
    token, record = await tokens.create(hub, name, life=life)
    return Registered(identity.id, address, token, fingerprint(authority.encode()), record.expires, again)


async def _cluster(hub: Client, name: str, mode: str, described: Description, labels: dict[str, str]) -> bool:
    """Make it; True when there was one, which must be in that mode."""
    try:
        live = await hub.get(CLUSTERS, name)
    except NotFound:
        body = {
            "apiVersion": API_VERSION,
            "kind": "Cluster",
            "metadata": {"name": name, "labels": labels},
            "spec": {"connection": {mode: {}}} | described.spec(),
        }
        await hub.create(CLUSTERS, body)
        return False
    if live.deleting:
        raise JoinError(f"cluster {name} is leaving", f"wait until it is gone: kubectl get cluster {name} --watch")
    connection = (live.body().get("spec") or {}).get("connection") or {}
    if mode not in connection:
        raise JoinError(
            f"cluster {name} is there already, reached by {', '.join(connection)}",
            f"choose another name, or let it go first: atoll cluster leave {name}",
        )
    return True
