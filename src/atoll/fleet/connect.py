"""From a `Cluster` to a client of it: the kubeconfig in its Secret, with nothing in it that would run or read here."""

import base64
import hashlib

import msgspec

from atoll.api.cluster import Cluster
from atoll.api.common import DNS_LABEL
from atoll.api.names import SYSTEM_NAMESPACE
from atoll.kube.client import Client
from atoll.kube.config import Config, load_kubeconfig
from atoll.kube.errors import ConfigError, NotFound
from atoll.kube.objects import Object
from atoll.kube.resources import CLUSTERS, SECRETS

KUBECONFIG_KEY = "kubeconfig"
ANNOTATION_HOME = "atoll.dev/home"
"""On such a Secret: the member's namespace for Atoll's own record, where the account has no rights in atoll-system. Its
UID tells the member from others then.
"""


def secret_name(cluster: Cluster) -> str:
    """The Secret that holds the cluster's kubeconfig. Raises ConfigError when the cluster names none."""
    if cluster.spec.connection.direct is None:
        raise ConfigError(
            f"Cluster {cluster.metadata.name} is reached by its agent: the hub keeps no kubeconfig for it"
        )
    return cluster.spec.connection.direct.kubeconfig_secret


def read_secret(secret: Object) -> tuple[Config, str]:
    """The connection that `secret` describes, and a fingerprint that changes with it.

    Exec plug-ins, auth providers and file references are refused: they would run, or read, in the hub.
    """
    data = secret.body().get("data") or {}
    if KUBECONFIG_KEY not in data:
        raise ConfigError(f"Secret {secret.namespace}/{secret.name}: has no key `{KUBECONFIG_KEY}` with a kubeconfig")
    try:
        text = base64.b64decode(data[KUBECONFIG_KEY], validate=True)
    except ValueError as error:
        raise ConfigError(f"Secret {secret.namespace}/{secret.name}: data.{KUBECONFIG_KEY} is not base64") from error
    try:
        config = load_kubeconfig(text, allow_exec=False, allow_files=False)
    except ConfigError as error:
        raise ConfigError(f"Secret {secret.namespace}/{secret.name}: {error}") from error
    home = secret.annotations.get(ANNOTATION_HOME) or SYSTEM_NAMESPACE
    if not DNS_LABEL.fullmatch(home):
        raise ConfigError(
            f"Secret {secret.namespace}/{secret.name}: annotation {ANNOTATION_HOME}: {home!r} is no namespace's name"
        )
    config = msgspec.structs.replace(config, home=home, source=f"Secret {secret.namespace}/{secret.name}")
    return config, hashlib.sha256(text + b" " + home.encode()).hexdigest()


async def through_hub(hub: Client, name: str) -> bool:
    """Whether member `name` is reached by the connection of its agent, which the hub has. Raises NotFound."""
    cluster = msgspec.json.decode((await hub.get(CLUSTERS, name)).raw, type=Cluster)
    return cluster.spec.connection.tunnel is not None


async def connect(hub: Client, name: str) -> Client:
    """A client of member `name`, not yet entered, by the credentials that the hub holds for it.

    Raises NotFound when there is no such Cluster, ConfigError when its Secret is missing or unusable.
    """
    cluster = msgspec.json.decode((await hub.get(CLUSTERS, name)).raw, type=Cluster)
    wanted = secret_name(cluster)
    try:
        secret = await hub.get(SECRETS, wanted, SYSTEM_NAMESPACE)
    except NotFound as error:
        raise ConfigError(
            f"Cluster {name}: Secret {SYSTEM_NAMESPACE}/{wanted} does not exist; `atoll cluster join {name}` makes it"
        ) from error
    return Client(read_secret(secret)[0])
