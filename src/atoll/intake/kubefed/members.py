"""From a KubeFedCluster to a Cluster that the hub reaches in the same way, with the same token."""

from urllib.parse import urlsplit

from atoll.api.kubefed.cluster import KubeFedCluster
from atoll.api.kubefed.names import TlsCheck
from atoll.api.names import API_VERSION
from atoll.api.objects import Json


class NoEqualError(Exception):
    """Atoll can't reach it in that way; the text says why."""


def kubeconfig(cluster: KubeFedCluster, token: str) -> Json:
    """How the member is reached. Raises NoEqualError."""
    spec = cluster.spec
    unchecked = set(spec.disabled_tls_validations)
    if unchecked - {TlsCheck.ALL}:
        said = ", ".join(sorted(unchecked))
        raise NoEqualError(f"spec.disabledTLSValidations: {said}: Atoll checks all of a certificate, or nothing")
    server = spec.api_endpoint if urlsplit(spec.api_endpoint).netloc else f"https://{spec.api_endpoint}"
    reached: Json = {"server": server}
    if unchecked:
        reached["insecure-skip-tls-verify"] = True
    elif spec.ca_bundle:
        reached["certificate-authority-data"] = spec.ca_bundle
    if spec.proxy_url:
        reached["proxy-url"] = spec.proxy_url
    name = cluster.metadata.name
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": reached}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def cluster(kubefed: KubeFedCluster, secret: str) -> Json:
    """The Cluster, whose kubeconfig is in `secret`."""
    metadata: Json = {"name": kubefed.metadata.name}
    if kubefed.metadata.labels:
        metadata["labels"] = dict(kubefed.metadata.labels)
    return {
        "apiVersion": API_VERSION,
        "kind": "Cluster",
        "metadata": metadata,
        "spec": {"connection": {"direct": {"kubeconfigSecret": secret}}},
    }
