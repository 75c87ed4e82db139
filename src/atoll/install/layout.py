"""What can be chosen of an installation, and the names in it that are fixed."""

import msgspec

from atoll import __version__
from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import Json

HUB = "atoll-hub"
"""Deployment, Service, ServiceAccount, PodDisruptionBudget, NetworkPolicy, ClusterRole and Role of the hub."""
SELECT = "atoll-select"
"""ClusterRole that lets the hub see the objects that Applications select; bound for all namespaces, or some."""
FEDERATION_V1 = "atoll-federation-v1"
"""ClusterRole for namespaces that opted in to Federation v1's annotations; bound where admins want it."""
PART_OF = "app.kubernetes.io/part-of"
VERSION_LABEL = "app.kubernetes.io/version"
IMAGE = f"atoll:{__version__}"
SELECTOR = {"app.kubernetes.io/name": "atoll", "app.kubernetes.io/component": "hub"}

METRICS_PORT = 9090
WEBHOOK_PORT = 9443
WEBHOOK_SERVICE_PORT = 443
AGENTS_PORT = 8443
KUBEFED = "atoll-kubefed"
"""ClusterRole and Roles of what the hub needs in a KubeFed control plane's place."""
AGENTS = "atoll-agents"
"""Service by which agents come in; ClusterRole of what their endpoint needs."""
MEMBERS = "atoll-members"
"""ServiceAccount whose tokens prove who may look into members: see `fleet.asking`."""


class Layout(msgspec.Struct, frozen=True):
    """One installation.

    `namespace` is where the hub's Pods run; what they keep (credentials, identity, Lease) is in `atoll-system` whatever
    it is. `select`: Applications of every namespace may select objects. `network_policy`: only the hub's own ports are
    open to others. `agents`: the names (HOST or HOST:PORT) by which agents reach the hub; none: there are no agents.
    `kubefed`: the namespace of the KubeFed control plane whose place is taken; "": none.
    """

    namespace: str = SYSTEM_NAMESPACE
    image: str = IMAGE
    select: bool = True
    network_policy: bool = False
    agents: tuple[str, ...] = ()
    kubefed: str = ""


def meta(name: str, namespace: str = "") -> Json:
    """Metadata that says whose the object is."""
    labels = {**SELECTOR, PART_OF: "atoll", VERSION_LABEL: __version__}
    return {"name": name} | ({"namespace": namespace} if namespace else {}) | {"labels": labels}
