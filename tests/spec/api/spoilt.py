"""Applications of the wrong shape, each with the message of the rule: `validate()` and the API server say the same."""

# ruff: noqa: E501, ISC004  a message stands in one piece, as its reader sees it

from typing import Any

from tests.spec.api.shop import application, difference, manifest, pod


def placed(**placement: Any) -> Any:
    return application(placement={"clusters": ["eu-1", "us-1"], **placement})


def gated(**check: Any) -> Any:
    return application(rollout={"gates": {"check": check}})


def carrying(**fields: Any) -> Any:
    carry = {"target": {"kind": "Deployment"}, "path": "/status/saved", "as": "env", "name": "SAVED"}
    return application(failover={"carry": [{**carry, **fields}]})


SHAPE: list[tuple[Any, str]] = [
    (placed(spread=[{"by": "region"}]), "spec.placement.spread[0]: says nothing: give min, max or clusters"),
    (placed(spread=[{"by": "region", "min": 3, "max": 2}]), "spec.placement.spread[0].min: min is above max"),
    (
        placed(spread=[{"by": "region", "max": 0}]),
        "spec.placement.spread[0].max: at most 0 groups leave nothing to choose",
    ),
    (
        placed(spread=[{"by": "region", "clusters": {"min": 3, "max": 2}}]),
        "spec.placement.spread[0].clusters.min: min is above max",
    ),
    (
        placed(spread=[{"by": "cluster", "max": 2, "clusters": {"max": 1}}]),
        "spec.placement.spread[0].clusters: a group by cluster is one cluster: give min and max of the spread itself",
    ),
    (
        placed(affinity=[{"by": "region"}]),
        "spec.placement.affinity[0]: give either application, for one, or selector, for many",
    ),
    (
        application(placement={"all": True, "fallback": [{"clusters": ["eu-1"]}]}),
        "spec.placement.fallback: all: true is every cluster: there is none to fall back to",
    ),
    (
        application(replicas={"total": 9, "limits": {"eu-1": {"min": 3, "max": 2}}}),
        "spec.replicas.limits[eu-1].min: min is above max",
    ),
    (
        application(replicas={"total": 9, "weights": {"eu-1": 0, "*": 0}}),
        "spec.replicas.weights: all weights are 0: nothing could be placed",
    ),
    (
        application(replicas={"total": 9, "divide": "capacity", "weights": {"*": 1}}),
        "spec.replicas.weights: weights are for divide: weighted, and kubefed",
    ),
    (
        application(replicas={"each": 2, "divide": "packed"}),
        "spec.replicas: divide, limits and rebalance are about a total: give total, or take them away",
    ),
    (
        gated(prometheus={"url": "http://prometheus:9090", "query": "up"}),
        "spec.rollout.gates.check.prometheus: a query needs a threshold: give min, max or both",
    ),
    (
        gated(prometheus={"url": "http://prometheus:9090", "query": "up", "min": 2, "max": 1}),
        "spec.rollout.gates.check.prometheus.min: min is above max: no value could be within",
    ),
    (gated(), "spec.rollout.gates.check: give either http or prometheus"),
    (application(rollout={"gates": {}}), "spec.rollout.gates: says nothing: give healthyFor or check"),
    (
        application(rollout={"stages": [{"name": "dev"}]}),
        "spec.rollout.stages[0]: no cluster is named: give clusters, selector or where, or say all: true",
    ),
    (
        carrying(path="{.status.saved}"),
        "spec.failover.carry[0].path: is no JSON pointer: it starts with /, and inside a part ~ is written ~0 and / is written ~1",
    ),
    (
        carrying(target={"kind": "Secret"}),
        "spec.failover.carry[0].target: a Secret's content is not carried: it would be readable in the status",
    ),
    (carrying(target={}), "spec.failover.carry[0].target: too wide: give kind or name, or both"),
    (
        application(tolerations=[{"key": "a", "operator": "Exists", "tolerationSeconds": 3}]),
        "spec.tolerations[0].tolerationSeconds: only the effect NoExecute takes seconds",
    ),
    (
        application(manifests=None, differences=None, replicas=None),
        "spec: the Application is empty: give manifests or select (allowEmpty: true says that it is meant)",
    ),
    (
        application(placement={}),
        "spec.placement: no cluster is named: give clusters, selector or where, or say all: true",
    ),
    (
        application(placement={"clusters": [], "all": False}),
        "spec.placement: no cluster is named: give clusters, selector or where, or say all: true",
    ),
    (
        application(placement={"all": True, "where": "true"}),
        "spec.placement.all: all: true is every cluster: take it away, or clusters, selector and where",
    ),
    (
        application(differences=[{"labels": {"a": "b"}}]),
        "spec.differences[0]: no cluster is named: give clusters, selector or where, or say all: true",
    ),
    (
        application(placement={"selector": {}}),
        "spec.placement.selector: an empty selector says nothing: give matchLabels or matchExpressions",
    ),
    (
        application(placement={"selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}),
        "spec.placement.selector.matchExpressions[0].values: In and NotIn need values; Exists and DoesNotExist take none",
    ),
    (
        application(
            placement={"selector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}}
        ),
        "spec.placement.selector.matchExpressions[0].values: In and NotIn need values; Exists and DoesNotExist take none",
    ),
    (application(replicas={"each": 1, "total": 2}), "spec.replicas: give either each or total, not both"),
    (
        application(replicas={"each": 1, "weights": {"eu-1": 1}}),
        "spec.replicas.weights: weights divide a total: give total, or take weights away",
    ),
    (
        application(replicas={"total": 1, "weights": {"eu-1": 0}}),
        "spec.replicas.weights: all weights are 0: nothing could be placed",
    ),
    (
        application(replicas={}),
        "spec.replicas: give each, replicas on every cluster, or total, replicas in all, or workloads",
    ),
    (
        application(replicas={"workloads": {"web": {}}}),
        "spec.replicas.workloads[web]: give each, replicas on every cluster, or total, replicas in all",
    ),
    (
        application(select=[{"apiVersion": "v1", "kind": "Secret"}]),
        "spec.select[0]: give either name, for one object, or labelSelector, for many",
    ),
    (
        application(
            select=[{"apiVersion": "v1", "kind": "Secret", "name": "a", "labelSelector": {"matchLabels": {"a": "b"}}}]
        ),
        "spec.select[0]: give either name, for one object, or labelSelector, for many",
    ),
    (
        application(tolerations=[{}]),
        "spec.tolerations[0].key: an empty key, which is every taint, needs operator: Exists",
    ),
    (
        application(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}]),
        "spec.tolerations[0].value: operator: Exists takes no value",
    ),
    (
        difference(images=[{"from": "a"}]),
        "spec.differences[0].images[0]: changes nothing: give to, registry, repository or tag",
    ),
    (
        difference(images=[{"to": "a"}]),
        "spec.differences[0].images[0].to: to replaces from: give from, or instead of to registry, repository or tag",
    ),
    (
        difference(patches=[{"target": {}, "op": "remove", "path": "/spec/x"}]),
        "spec.differences[0].patches[0].target: too wide: give kind or name, or both",
    ),
    (
        difference(patches=[{"target": {"kind": "Service"}, "op": "move", "path": "/spec/x"}]),
        "spec.differences[0].patches[0].from: move and copy need from, the others take none",
    ),
    (
        difference(patches=[{"target": {"kind": "Service"}, "op": "remove", "path": "/spec/x", "from": "/spec/y"}]),
        "spec.differences[0].patches[0].from: move and copy need from, the others take none",
    ),
    (
        application(health=[{"apiVersion": "x.org/v1", "kind": "X", "message": "'a'"}]),
        "spec.health[0]: says nothing: give degraded, healthy or suspended",
    ),
    (
        application(retain=[{"target": {"kind": "Service"}, "path": "/kind"}]),
        "spec.retain[0].path: is part of the object's identity, or the API server's: name, namespace, kind, apiVersion, "
        "status and the like can't be changed here",
    ),
]

NULLS: list[Any] = [
    application(placement={"all": True, "selector": None, "where": None, "clusters": []}),
    application(replicas={"each": None, "total": 3}),
    application(
        replicas=None,
        differences=None,
        select=[{"apiVersion": "v1", "kind": "Secret", "name": "a", "labelSelector": None}],
    ),
    application(differences=None, tolerations=[{"key": "a", "operator": "Equal"}], retain=[], health=[]),
]
"""Right ones: a null where it may stand is as if the field weren't there."""

CONTAINER = {"name": "a", "image": "b"}
LIST_KEYS: list[tuple[Any, str]] = [
    (
        pod(containers=[CONTAINER, CONTAINER]),
        "spec.containers[1]: name a is in spec.containers of Pod/pod twice, first as [0]",
    ),
    (pod(containers=[CONTAINER], initContainers=[CONTAINER] * 2), "spec.initContainers[1]: name a"),
    (pod(containers=[CONTAINER], volumes=[{"name": "v"}] * 2), "spec.volumes[1]: name v"),
    (pod(containers=[CONTAINER], imagePullSecrets=[{"name": "s"}] * 2), "spec.imagePullSecrets[1]: name s"),
    (pod(containers=[CONTAINER], hostAliases=[{"ip": "1.1.1.1"}] * 2), "spec.hostAliases[1]: ip 1.1.1.1"),
    (pod(containers=[{**CONTAINER, "env": [{"name": "A"}, {"name": "A"}]}]), "spec.containers[0].env[1]: name A"),
    (
        pod(containers=[{**CONTAINER, "ports": [{"containerPort": 1}, {"containerPort": 1, "protocol": "TCP"}]}]),
        "spec.containers[0].ports[1]: containerPort 1, protocol TCP",
    ),
    (
        pod(
            containers=[
                {**CONTAINER, "volumeMounts": [{"name": "a", "mountPath": "/x"}, {"name": "b", "mountPath": "/x"}]}
            ]
        ),
        "spec.containers[0].volumeMounts[1]: mountPath /x",
    ),
    (
        manifest(kind="Service", spec={"ports": [{"port": 80}, {"port": 80, "name": "b"}]}),
        "spec.ports[1]: port 80, protocol TCP",
    ),
    (manifest(kind="ServiceAccount", secrets=[{"name": "a"}, {"name": "a"}]), "secrets[1]: name a"),
]
