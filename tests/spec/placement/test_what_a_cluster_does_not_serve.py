"""A kind that a cluster doesn't serve counts against it, where that is known and nobody named it."""

from atoll.api.objects import GroupKind, Manifest, manifest
from atoll.api.placement import Placement
from atoll.plan.model import Plan
from atoll.plan.planner import plan
from atoll.testing.worlds import EVERYWHERE, body, cluster, deployment, fleet, intent

CERTIFICATE = manifest(body("cert-manager.io/v1", "Certificate", "shop", spec={}))
PLAIN = frozenset({GroupKind("apps", "Deployment")})
WITH_CERTIFICATES = PLAIN | {GroupKind("cert-manager.io", "Certificate")}
DEFINITION = manifest(
    body(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "certificates.cert-manager.io",
        namespace="",
        spec={"group": "cert-manager.io", "names": {"kind": "Certificate"}},
    )
)


def placed(*manifests: Manifest, placement: Placement = EVERYWHERE, there: bool = False) -> Plan:
    served = PLAIN | {GroupKind("apiextensions.k8s.io", "CustomResourceDefinition")}
    world = cluster("plain", kinds=served), cluster("rich", kinds=WITH_CERTIFICATES), cluster("unheard", kinds=None)
    app = intent(deployment(), *manifests, placement=placement)
    return plan(app, fleet(*world, previous={"plain": 1} if there else None))


def test_it_goes_where_all_its_kinds_are_served_or_nothing_is_known() -> None:
    planned = placed(CERTIFICATE)
    assert list(planned.deliveries) == ["rich", "unheard"]
    assert {v.cluster: v.why for v in planned.verdicts}["plain"] == "does not serve Certificate.cert-manager.io"


def test_what_it_defines_itself_is_not_missing() -> None:
    assert "plain" in placed(DEFINITION, CERTIFICATE).deliveries


def test_where_it_is_it_stays_and_where_it_is_named_it_waits() -> None:
    assert "plain" in placed(CERTIFICATE, there=True).deliveries
    assert "plain" in placed(CERTIFICATE, placement=Placement(clusters=("plain",))).deliveries
