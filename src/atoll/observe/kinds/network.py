"""Service and Ingress: reachable from elsewhere."""

from atoll.api.objects import Json
from atoll.api.observation import ObjectHealth
from atoll.observe.reading import ABSENT, by_condition, conditions_of, healthy, progressing, spec_of, status_of

ADDRESS = "AwaitingAddress"

CLAIMS = frozenset(
    {
        "service.kubernetes.io/load-balancer-cleanup",  # every cloud-controller-manager
        "service.k8s.aws/resources",  # AWS Load Balancer Controller
        "gke.networking.io/l4-ilb-v1",
        "gke.networking.io/l4-ilb-v2",
        "gke.networking.io/l4-netlb-v1",
        "gke.networking.io/l4-netlb-v2",
    }
)
"""Finalizers by which a load balancer's controller says, before it has an address, that it serves a Service."""


def _addresses(body: Json) -> bool:
    return bool((status_of(body).get("loadBalancer") or {}).get("ingress"))


def service(body: Json) -> ObjectHealth:
    """A LoadBalancer without an address is Progressing only where somebody is known to serve it.

    That is where the user named a class or a controller left its finalizer. Elsewhere (most clusters outside clouds)
    no address ever comes, the Service works inside its cluster, and kstatus too calls it current.
    """
    spec = spec_of(body)
    if spec.get("type") != "LoadBalancer" or _addresses(body):
        return healthy()
    failure = conditions_of(body).get("LoadBalancerPortsError", ABSENT)
    if failure.true:
        return by_condition("Degraded", failure, "LoadBalancerPortsError")
    finalizers = (body.get("metadata") or {}).get("finalizers") or []
    if spec.get("loadBalancerClass") or CLAIMS.intersection(finalizers):
        return progressing(ADDRESS, "it has no load balancer address yet")
    return healthy("it has no load balancer address", reason=ADDRESS)


def ingress(body: Json) -> ObjectHealth:
    """Many controllers publish no address, ever; a user whose controller does can ask for it by a rule of their own."""
    return healthy() if _addresses(body) else healthy("it has no published address", reason=ADDRESS)
