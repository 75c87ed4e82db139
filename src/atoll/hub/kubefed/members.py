"""How a KubeFedCluster is told as a Cluster, and the Cluster's reach as a KubeFedCluster's status. Pure."""

import base64
import binascii

import msgspec

from atoll.api.cluster import ClusterStatus
from atoll.api.kubefed.cluster import ClusterCondition, KubeFedCluster, KubeFedClusterStatus
from atoll.api.kubefed.names import ClusterCondition as Kind
from atoll.api.kubefed.names import TlsCheck
from atoll.api.names import API_VERSION, SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.api.times import format_time
from atoll.fleet.connect import ANNOTATION_HOME, KUBECONFIG_KEY
from atoll.fleet.credentials import ANNOTATION_RIGHTS
from atoll.fleet.link import CREDENTIALS_UNUSABLE, Reach
from atoll.hub.kubefed.settings import Settings
from atoll.kube.config import Config
from atoll.kube.errors import ConfigError

LABEL = "atoll.dev/kubefed"
"""On a Cluster and its Secret: the namespace of the KubeFedCluster that they were made from."""
TAKEN = "NameTaken"
UNCHECKED = {TlsCheck.SUBJECT_NAME.value: "name", TlsCheck.VALIDITY_PERIOD.value: "dates"}


def secret_name(name: str) -> str:
    return f"kubefed-{name}"


def connection(cluster: KubeFedCluster, token: str) -> Config:
    """How its API server is reached. Raises ConfigError."""
    spec = cluster.spec
    server = spec.api_endpoint if "://" in spec.api_endpoint else f"https://{spec.api_endpoint}"
    try:
        authority = base64.b64decode(spec.ca_bundle, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigError(f"spec.caBundle is not base64: {error}") from error
    if not token:
        raise ConfigError(f"Secret {spec.secret_ref.name}: its key `token` holds no token")
    every = TlsCheck.ALL.value in spec.disabled_tls_validations
    return Config(
        server=server,
        ca=b"" if every else authority,
        insecure=every,
        unchecked=() if every else tuple(sorted(UNCHECKED[check] for check in _known(spec.disabled_tls_validations))),
        token=token,
        proxy_url=spec.proxy_url,
        context=cluster.metadata.name,
    )


def _known(checks: tuple[str, ...]) -> tuple[str, ...]:
    for check in checks:
        if check not in UNCHECKED:
            raise ConfigError(f"spec.disabledTLSValidations: {check!r} is not *, SubjectName or ValidityPeriod")
    return checks


def secret(cluster: KubeFedCluster, config: Config, settings: Settings) -> Json:
    """The Secret with its kubeconfig. A control plane of one namespace has rights in that one only."""
    name = cluster.metadata.name
    where = settings.namespace
    notes = {ANNOTATION_RIGHTS: f"namespaces={where}", ANNOTATION_HOME: where} if settings.limited else {}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret_name(name),
            "namespace": SYSTEM_NAMESPACE,
            "labels": {LABEL: settings.namespace},
            "annotations": notes,
        },
        "data": {KUBECONFIG_KEY: base64.b64encode(config.to_kubeconfig(name)).decode()},
    }


def mirror(cluster: KubeFedCluster, settings: Settings) -> Json:
    """The Cluster of the same name."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Cluster",
        "metadata": {
            "name": cluster.metadata.name,
            "labels": {**cluster.metadata.labels, LABEL: settings.namespace},
        },
        "spec": {"connection": {"direct": {"kubeconfigSecret": secret_name(cluster.metadata.name)}}},
    }


def told(
    before: KubeFedClusterStatus | None,
    reach: Reach,
    known: ClusterStatus,
    settings: Settings,
    now: float,
    malformed: str = "",
) -> tuple[KubeFedClusterStatus | None, float]:
    """The status, and in how many seconds time alone may change it (0: never). None: it isn't known yet.

    malformed: why it can't even be tried, which is told at once. Of all else, what lasts shorter than the thresholds
    isn't told.
    """
    tried = not malformed
    if not malformed and reach.reachable is None:
        return before, 0.0
    if reach.reason == CREDENTIALS_UNUSABLE and not reach.reachable:
        malformed = malformed or reach.message
    news = _condition(reach, malformed)
    was = _state(before)
    if tried and before is not None and was and was != (news.type, news.status):
        patience = settings.back if news.type == Kind.READY else settings.away
        since = reach.since or now
        if now - since < patience:
            return before, max(0.05, since + patience - now)
    if before is not None and was == (news.type, news.status):
        old = before.conditions[0]
        news = msgspec.structs.replace(
            news,
            last_probe_time=old.last_probe_time,
            last_transition_time=old.last_transition_time,
        )
        if old != news:
            news = msgspec.structs.replace(news, last_probe_time=format_time(now))
    else:
        news = msgspec.structs.replace(news, last_probe_time=format_time(now), last_transition_time=format_time(now))
    status = KubeFedClusterStatus(
        conditions=(news,),
        kubernetes_version=reach.version or known.version,
        zones=known.zones,
        region=known.region,
    )
    return (before if status == before else status), 0.0


def _condition(reach: Reach, malformed: str) -> ClusterCondition:
    if malformed:
        words = f"cluster's configuration may be malformed: {malformed}"
        return ClusterCondition(Kind.CONFIG_MALFORMED.value, "True", "", "", "ClusterConfigMalformed", words)
    if reach.reachable:
        return ClusterCondition(Kind.READY.value, "True", "", "", "ClusterReady", "/healthz responded with ok")
    words = f"cluster is not reachable: {reach.message}"
    return ClusterCondition(Kind.OFFLINE.value, "True", "", "", "ClusterNotReachable", words)


def _state(status: KubeFedClusterStatus | None) -> tuple[str, str]:
    return (status.conditions[0].type, status.conditions[0].status) if status and status.conditions else ("", "")
