"""A federated type as a front end: what is read, what is refused and how that is told, how objects part."""

from typing import Any, cast

import pytest

from atoll.api.kubefed.names import Propagation, Reason
from atoll.api.kubefed.types import ENABLED, federated_type, type_config
from atoll.api.objects import Key, ObjectId
from atoll.deliver.deliverer import Deliverer
from atoll.hub.dossier import Dossier, Dossiers
from atoll.hub.front import Fronts
from atoll.hub.kubefed.federation import Federation
from atoll.hub.kubefed.front import FederatedFront
from atoll.hub.kubefed.heritage import Heritage
from atoll.hub.kubefed.settings import Settings
from atoll.kube.client import Client
from atoll.kube.kubefed_resources import KUBEFEDCLUSTERS
from atoll.kube.objects import Object, Resource, of_body
from atoll.runtime.informer import Informer

Json = dict[str, Any]
TARGETS = {target.kind: target for target in ENABLED}


class Teller:
    """Who would tell."""

    def __init__(self) -> None:
        self.touched: list[Key] = []

    def touch(self, key: Key) -> None:
        self.touched.append(key)

    def placed(self) -> None:
        return

    def forget(self, uid: str) -> None:
        return


class Plane:
    """A control plane with two clusters, of which `host` is the hub's own."""

    def __init__(self, **settings: Any) -> None:
        members: Informer[Object] = Informer(cast("Client", None), KUBEFEDCLUSTERS)
        for number, name in enumerate(("host", "eu")):
            members.saw(live("KubeFedCluster", name, "kfs", group="core.kubefed.io", version=number + 1))
        self.settings = Settings("kfs", **settings)
        self.federation = Federation(self.settings, members, lambda name: name == "host")
        self.dossiers = Dossiers()
        self.fronts = Fronts()
        self.woken: list[Key] = []

    def front(self, kind: str) -> FederatedFront:
        target = TARGETS[kind]
        made = federated_type(target)
        resource = Resource(made.group, made.version, made.kind, made.plural, namespaced=made.namespaced)
        informer: Informer[Object] = Informer(cast("Client", None), resource)
        front = FederatedFront(
            type_config(target), informer, self.federation, Teller(), self.dossiers, self.fronts.uids, self.woken.append
        )
        self.fronts.add(front)
        return front

    def federate_namespace(self, name: str = "demo", **spec: Any) -> None:
        front = self.front("Namespace")
        front.informer.saw(live("FederatedNamespace", name, name, spec=spec))
        front.informer._synced.set()
        self.federation.namespaces = front.informer


def live(
    kind: str,
    name: str,
    namespace: str,
    *,
    spec: Json | None = None,
    group: str = "types.kubefed.io",
    version: int = 9,
    annotations: Json | None = None,
    status: Json | None = None,
) -> Object:
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{name}",
        "resourceVersion": str(version),
        "generation": 1,
        "annotations": annotations or {},
    }
    body = {"apiVersion": f"{group}/v1beta1", "kind": kind, "metadata": metadata, "status": status or {}}
    return of_body(body if spec is None else {**body, "spec": spec})


BOTH = {"clusters": [{"name": "host"}, {"name": "eu"}]}


async def test_it_goes_where_its_namespace_goes() -> None:
    plane = Plane()
    plane.federate_namespace(placement={"clusters": [{"name": "eu"}]})
    front = plane.front("ConfigMap")
    reading = await front.read(live("FederatedConfigMap", "web", "demo", spec={"template": {}, "placement": BOTH}))
    assert reading.intent is not None
    assert reading.intent.placement.clusters == ("eu",)
    assert reading.intent.key == Key("demo", "FederatedConfigMap/web")


async def test_without_a_federated_namespace_it_goes_nowhere_and_that_is_said() -> None:
    plane = Plane()
    plane.federate_namespace("other", placement=BOTH)
    front = plane.front("ConfigMap")
    reading = await front.read(live("FederatedConfigMap", "web", "demo", spec={"template": {}, "placement": BOTH}))
    assert reading.intent is not None
    assert reading.intent.placement.clusters == ()
    said = front.said("uid-web")
    assert said is not None
    assert said.reason == Reason.NAMESPACE_NOT_FEDERATED


async def test_in_a_control_plane_of_one_namespace_its_own_word_holds() -> None:
    plane = Plane(limited=True)
    plane.federate_namespace("other", placement=BOTH)
    front = plane.front("ConfigMap")
    reading = await front.read(live("FederatedConfigMap", "web", "demo", spec={"template": {}, "placement": BOTH}))
    assert reading.intent is not None
    assert reading.intent.placement.clusters == ("eu", "host")


async def test_while_namespaces_are_not_known_nothing_is_taken_away() -> None:
    front = Plane().front("ConfigMap")
    reading = await front.read(live("FederatedConfigMap", "web", "demo", spec={"template": {}, "placement": BOTH}))
    assert reading.intent is None
    assert front.said("uid-web") is None


async def test_one_without_spec_and_one_that_is_none_are_told_and_leave_all_as_it_is() -> None:
    front = Plane().front("ClusterRole")
    for number, spec in enumerate((None, {"placement": "everywhere"})):
        reading = await front.read(live("FederatedClusterRole", f"r{number}", "", spec=spec))
        assert reading.intent is None
        assert reading.issues
        said = front.said(f"uid-r{number}")
        assert said is not None
        assert said.reason == Reason.COMPUTE_PLACEMENT_FAILED


async def test_overrides_that_cannot_be_meant_fail_every_chosen_cluster() -> None:
    front = Plane().front("ClusterRole")
    overrides = [{"clusterName": "eu", "clusterOverrides": [{"path": "rules"}]}]
    spec = {"template": {}, "placement": BOTH, "overrides": overrides}
    assert (await front.read(live("FederatedClusterRole", "r", "", spec=spec))).intent is None
    said = front.said("uid-r")
    assert said is not None
    assert said.word == Propagation.APPLY_OVERRIDES_FAILED
    assert said.chosen == {"eu", "host"}
    assert said.path == "spec.overrides[0].clusterOverrides[0].path"


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ({"metadata": "web"}, "spec.template.metadata"),
        ({"metadata": {"labels": ["a"]}}, "spec.template.metadata.labels"),
        ({"metadata": {"annotations": {"a": 1}}}, "spec.template.metadata.annotations"),
        ({"apiVersion": 1}, "spec.template.apiVersion"),
    ],
)
async def test_a_template_of_another_form_fails_every_chosen_cluster(template: Json, path: str) -> None:
    front = Plane().front("ClusterRole")
    spec = {"template": template, "placement": BOTH}
    assert (await front.read(live("FederatedClusterRole", "r", "", spec=spec))).intent is None
    said = front.said("uid-r")
    assert said is not None
    assert (said.word, said.path) == (Propagation.COMPUTE_RESOURCE_FAILED, path)


async def test_system_namespaces_and_misnamed_ones_are_never_federated() -> None:
    front = Plane().front("Namespace")
    for name, namespace in (("kube-system", "kube-system"), ("kfs", "kfs"), ("other", "demo")):
        found = live("FederatedNamespace", name, namespace, spec={"placement": BOTH})
        assert (await front.read(found)).intent is None
        said = front.said(f"uid-{name}")
        assert said is not None
        assert said.ignored
    assert front.misnamed(live("FederatedNamespace", "other", "demo"))


def dossier(front: FederatedFront, **options: Any) -> Dossier:
    found = live(front.resource.kind, "web", "demo", **options)
    return Dossiers().open(front.key(found.id), found, front)


def test_a_namespace_of_the_hub_itself_stays() -> None:
    front = Plane().front("Namespace")
    about = dossier(front)
    assert [front.parting(about, name, ending=True).orphan for name in ("host", "eu")] == [True, False]
    assert front.stays(about, "host")


def test_the_annotation_orphans_what_is_deleted_and_nothing_that_is_placed_elsewhere() -> None:
    front = Plane().front("ConfigMap")
    about = dossier(front, annotations={"kubefed.io/orphan": "true"})
    assert front.parting(about, "eu", ending=True).orphan
    assert not front.parting(about, "eu", ending=False).orphan


def test_who_is_no_longer_joined_keeps_what_it_has() -> None:
    front = Plane().front("ConfigMap")
    assert front.parting(dossier(front), "elsewhere", ending=False).orphan


def test_delete_options_come_along_as_far_as_they_can_be_read() -> None:
    front = Plane().front("ConfigMap")
    options = '{"gracePeriodSeconds": 1}'
    told = front.parting(dossier(front, annotations={"kubefed.io/deleteoption": options}), "eu", ending=True)
    assert told.manner.deletion == {"gracePeriodSeconds": 1}
    wrong = front.parting(dossier(front, annotations={"kubefed.io/deleteoption": "{"}), "eu", ending=True)
    assert wrong.manner.deletion is None
    assert wrong.manner.labels == {"kubefed.io/managed": "true"}


async def test_what_kubefed_left_is_taken_deleted_or_let_go() -> None:
    plane = Plane()
    plane.federate_namespace(placement=BOTH)
    front = plane.front("ConfigMap")
    heritage = Heritage(cast("Deliverer", None), plane.federation, lambda: [front])
    about = ObjectId("", "ConfigMap", "demo", "web")
    assert heritage.decide("eu", about) == "unmark"
    front.informer.saw(found := live("FederatedConfigMap", "web", "demo", spec={"placement": BOTH}))
    assert heritage.decide("eu", about) == "keep"  # it isn't read yet
    await front.read(found)
    assert heritage.decide("eu", about) == "keep"
    await front.read(live("FederatedConfigMap", "web", "demo", spec={"placement": {"clusters": [{"name": "host"}]}}))
    assert heritage.decide("eu", about) == "delete"
    assert heritage.decide("elsewhere", about) == "keep"
    assert heritage.decide("eu", about._replace(kind="Secret")) == "keep"


async def test_of_the_hubs_own_namespaces_only_the_label_goes() -> None:
    front = Plane().front("Namespace")
    heritage = Heritage(cast("Deliverer", None), front._federation, lambda: [front])
    front.informer.saw(found := live("FederatedNamespace", "demo", "demo", spec={"placement": {"clusters": []}}))
    await front.read(found)
    about = ObjectId("", "Namespace", "", "demo")
    assert [heritage.decide(name, about) for name in ("host", "eu")] == ["unmark", "delete"]
    assert heritage.decide("eu", about._replace(name="kube-system")) == "keep"


def test_where_it_is_is_recalled_from_its_status() -> None:
    front = Plane().front("ConfigMap")
    about = dossier(front, status={"clusters": [{"name": "eu"}, {"name": "gone", "status": "WaitingForRemoval"}]})
    front.recall(about)
    assert about.placed == {"eu", "gone"}


def test_keys_of_types_do_not_meet_each_other_s_nor_applications() -> None:
    plane = Plane()
    front = plane.front("ConfigMap")
    key = front.key(live("FederatedConfigMap", "web", "demo").id)
    assert plane.fronts.of(key) is front
    assert plane.fronts.of(Key("demo", "web")) is None
    for each in (key, Key("", "FederatedClusterRole/web"), Key("demo", "web"), Key("", "web")):
        assert Key.parse(str(each)) == each


def test_only_what_it_says_wakes() -> None:
    plane = Plane()
    front = plane.front("ConfigMap")
    front.informer.subscribe(front.changed)
    front.informer.saw(live("FederatedConfigMap", "web", "demo", spec={}, version=10))
    front.informer.saw(live("FederatedConfigMap", "web", "demo", spec={}, version=11, status={"observedGeneration": 1}))
    assert plane.woken == [Key("demo", "FederatedConfigMap/web")]
    orphan = {"kubefed.io/orphan": "true"}
    front.informer.saw(live("FederatedConfigMap", "web", "demo", spec={}, version=12, annotations=orphan))
    assert len(plane.woken) == 2
    assert plane.fronts.alive("uid-web")
