"""A fleet and an application that change, planned again after each change: what always holds."""

from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from atoll.api.cluster import Taint
from atoll.api.common import LabelSelector
from atoll.api.differences import Difference, ImageRule
from atoll.api.intent import Intent
from atoll.api.objects import Key
from atoll.api.placement import Placement
from atoll.api.replicas import Replicas
from atoll.plan.model import ClusterFacts, Plan, Snapshot
from atoll.plan.planner import plan
from atoll.plan.scalable import own_replicas
from atoll.testing.worlds import SHOP, cluster, config, deployment, intent

NAMES = st.sampled_from(["ap", "eu", "us", "za"])
LABELS = st.sampled_from([{}, {"env": "prod"}, {"env": "dev"}])
TAINTS = st.sampled_from([(), (Taint("k"),), (Taint("k", "", "NoExecute"),), (Taint("k", "", "PreferNoSchedule"),)])
PLACEMENTS = st.sampled_from(
    [
        Placement(all=True),
        Placement(clusters=("eu", "us", "moon")),
        Placement(selector=LabelSelector({"env": "prod"})),
        Placement(where='cluster.labels.env == "prod"'),
    ]
)
WEIGHTS = st.dictionaries(st.sampled_from(["ap", "eu", "us", "*"]), st.integers(0, 5), max_size=3)
REPLICAS = (
    st.none()
    | st.builds(lambda n: Replicas(each=n), st.integers(0, 5))
    | st.builds(lambda n, weights: Replicas(total=n, weights=weights), st.integers(0, 20), WEIGHTS)
)
DIFFERENCES = st.lists(
    st.sampled_from(
        [
            Difference(clusters=("us",), images=(ImageRule(from_="gcr.io", to="quay.io"),)),
            Difference(where='cluster.labels.env == "dev"', env={"web": {"LEVEL": "debug"}}),
            Difference(all=True, labels={"team": "shop"}),
        ]
    ),
    max_size=2,
).map(tuple)


def reversed_keys(value: dict[str, Any]) -> dict[str, Any]:
    return dict(reversed(value.items()))


class Planning(RuleBasedStateMachine):
    """`self.plan` is always the plan of `self.app` on `self.clusters`, made with the plan before as history."""

    @initialize()
    def begin(self) -> None:
        self.clusters: dict[str, ClusterFacts] = {"eu": cluster("eu", labels={"env": "prod"})}
        self.app: Intent = intent(deployment(), config())
        self.before: dict[str, int | None] = {}
        self.replan()

    def fleet(self, before: dict[str, int | None]) -> Snapshot:
        return Snapshot(self.clusters, previous={SHOP: before, Key("other", "app"): {"eu": 1}})

    def replan(self) -> None:
        self.history = self.before
        self.plan = plan(self.app, self.fleet(self.history))
        self.before = placement_of(self.plan)

    @rule(name=NAMES, labels=LABELS, taints=TAINTS, cordoned=st.booleans(), ready=st.booleans())
    def cluster_comes_or_changes(self, name: str, **facts: Any) -> None:
        self.clusters = {**self.clusters, name: cluster(name, **facts)}
        self.replan()

    @rule(name=NAMES)
    def cluster_leaves(self, name: str) -> None:
        self.clusters = {n: facts for n, facts in self.clusters.items() if n != name}
        self.replan()

    @rule(placement=PLACEMENTS)
    def placement_changes(self, placement: Placement) -> None:
        self.app = msgspec.structs.replace(self.app, placement=placement)
        self.replan()

    @rule(replicas=REPLICAS)
    def replicas_change(self, replicas: Replicas | None) -> None:
        self.app = msgspec.structs.replace(self.app, replicas=replicas)
        self.replan()

    @rule(differences=DIFFERENCES)
    def differences_change(self, differences: tuple[Difference, ...]) -> None:
        self.app = msgspec.structs.replace(self.app, differences=differences)
        self.replan()

    @invariant()
    def same_arguments_same_plan(self) -> None:
        assert plan(self.app, self.fleet(self.history)) == self.plan

    @invariant()
    def the_order_of_keys_says_nothing(self) -> None:
        turned = Snapshot(reversed_keys(self.clusters), previous={SHOP: reversed_keys(self.history)})
        again = plan(self.app, turned)
        assert again == self.plan
        assert list(again.deliveries) == list(self.plan.deliveries)

    @invariant()
    def planning_again_moves_nothing(self) -> None:
        again = plan(self.app, self.fleet(self.before))
        assert again.deliveries == self.plan.deliveries
        assert again.shares == self.plan.shares

    @invariant()
    def every_cluster_has_one_verdict_and_the_chosen_ones_a_delivery_or_a_refusal(self) -> None:
        names = [v.cluster for v in self.plan.verdicts]
        assert len(names) == len(set(names))
        assert set(names) == set(self.clusters) | set(self.app.placement.clusters)
        chosen = {v.cluster for v in self.plan.verdicts if v.chosen}
        assert chosen == self.plan.deliveries.keys() | self.plan.refusals.keys() == self.plan.shares.keys()
        assert not self.plan.deliveries.keys() & self.plan.refusals.keys()
        assert chosen <= self.clusters.keys()

    @invariant()
    def the_replicas_sum_to_the_total(self) -> None:
        replicas = self.app.replicas
        if replicas is not None and replicas.total is not None and self.plan.deliveries and not self.plan.refusals:
            assert sum(share.common or 0 for share in self.plan.shares.values()) == replicas.total

    @invariant()
    def nothing_new_comes_to_a_cluster_that_wants_nothing_new(self) -> None:
        for name in self.plan.deliveries.keys() - self.history.keys():
            facts = self.clusters[name]
            assert not facts.cordoned
            assert all(taint.effect == "PreferNoSchedule" for taint in facts.taints)

    @invariant()
    def the_shares_are_what_the_objects_say(self) -> None:
        for name, delivery in self.plan.deliveries.items():
            numbers = {m.id.name: n for m in delivery.objects if (n := own_replicas(m)) is not None}
            assert self.plan.shares[name].replicas == numbers

    @invariant()
    def the_manifests_are_as_they_were(self) -> None:
        assert self.app.manifests == (deployment(), config())


def placement_of(planned: Plan) -> dict[str, int | None]:
    """As the hub remembers it in the status: by cluster, the number when there is one for all workloads."""
    return {name: share.common for name, share in planned.shares.items()}


TestPlanning = Planning.TestCase
TestPlanning.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
