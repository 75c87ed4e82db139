"""A change that goes from cluster to cluster, whatever happens meanwhile: what always holds, and that it gets there.

The clusters are played: each takes what it was handed some time later, and is well or ill by what that says. The hub is
played by `Revisions`, its own numbers, and may be killed and started again with an older status at any time.
"""

import copy

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from atoll.api.common import LabelSelector
from atoll.api.intent import Intent
from atoll.api.placement import Placement
from atoll.api.rollout import Gates, Rollout, Stage
from atoll.api.status import ApplicationStatus, ClusterRow, Health, PlacedCluster
from atoll.hub.revisions import Revisions
from atoll.plan.model import Plan, Snapshot
from atoll.plan.planner import plan
from atoll.plan.progress import Progress, Standing
from atoll.plan.rollout import PATIENCE, content_at
from atoll.plan.stages import portion
from atoll.testing.worlds import SHOP, cluster, container, deployment, intent
from tests.machines.effort import effort

ENVIRONMENTS = {"d1": "dev", "t1": "test", "t2": "test", "p1": "prod", "p2": "prod", "p3": "prod", "p4": "prod"}
STAGES = tuple(
    Stage(name=env, selector=LabelSelector({"env": env}), approval=approval)
    for env, approval in (("dev", False), ("test", False), ("prod", True))
)
WISHES = st.sampled_from(
    [
        None,
        Rollout(stages=STAGES),
        Rollout(stages=STAGES, on_failure="rollback", gates=Gates(healthy_for="20s")),
        Rollout(max_unavailable=2, on_failure="rollback"),
        Rollout(max_unavailable="50%", offline="wait"),
    ]
)


class Site:
    """What one cluster really has: `number` and `image` were delivered, `wanted` is on its way."""

    def __init__(self) -> None:
        self.number = self.wanted_number = 0
        self.image = self.wanted = ""
        self.since = 0.0
        self.away = 0.0

    @property
    def well(self) -> bool:
        return "bad" not in self.image


class Rolling(RuleBasedStateMachine):
    """`self.plan` is always planned anew after each event, and what it says is handed to the sites."""

    @initialize(wish=WISHES)
    def begin(self, wish: Rollout | None) -> None:
        self.now, self.version = 1_000_000.0, 0
        self.sites: dict[str, Site] = {name: Site() for name in ENVIRONMENTS}
        self.names = ["d1", "p1", "p2", "p3", "t1"]
        self.app: Intent = intent(deployment(), placement=Placement(all=True), rollout=wish)
        self.approved: dict[int, set[str]] = {}
        self.aborted: set[int] = set()
        self.written, self.written_of, self.highest = ApplicationStatus(), self.app, 0
        self.revisions = Revisions()
        self.submitted: dict[str, int] = {}
        self.observe()

    # The hub, played

    def observe(self) -> None:
        """One reconcile, as hub/application.py does it."""
        revisions = self.revisions
        if not revisions.sequence:
            revisions.restore(self.written, current=self.written_of is self.app)
        revisions.revise(self.app, self.highest + 1)
        self.highest = max(self.highest, revisions.sequence)
        self.intent = msgspec.structs.replace(
            self.app, revision=self.app.revision._replace(sequence=revisions.sequence)
        )
        self.fleet = self.snapshot()
        self.plan: Plan = plan(self.intent, self.fleet)
        if self.plan.turns_back:
            assert self.plan.rollout is not None
            revisions.turned_back(revisions.turn_back(self.plan.rollout, self.highest + 1))
            self.write()
            self.observe()
            return
        revisions.last = self.plan.rollout
        self.kept = copy.copy(revisions.formers)
        for name, delivery in self.plan.deliveries.items():
            site, number = self.sites[name], delivery.revision.sequence
            if site.number > number and not site.away:
                self.submitted[name] = site.number  # refused by what is there: the hub learns of it
                continue
            self.submitted[name] = number
            image = delivery.objects[0].body["spec"]["template"]["spec"]["containers"][0]["image"]
            if (site.wanted_number, site.wanted) != (number, image):
                site.wanted_number, site.wanted = number, image

    def snapshot(self) -> Snapshot:
        revisions = self.revisions
        assert revisions.content is not None
        standing = {name: self.standing(name) for name in self.names if name in self.submitted}
        there = {one.revision for one in standing.values()} | {row.revision for row in self.written.clusters}
        revisions.let_go(there, most=0)  # what nobody has isn't missed
        rollouts = {}
        if revisions.last or revisions.before or (self.app.rollout and self.app.rollout.stages):
            rollouts[SHOP] = Progress(
                target=revisions.target,
                content=revisions.content,
                formers=dict(revisions.formers),
                before=revisions.before,
                last=revisions.last,
                standing=standing,
                approved=frozenset(self.approved.get(revisions.target, ())),
                aborted=revisions.target in self.aborted,
            )
        facts = {n: cluster(n, labels={"env": ENVIRONMENTS[n]}, ready=not self.sites[n].away) for n in self.names}
        return Snapshot(facts, self.now, {SHOP: dict.fromkeys(self.submitted)}, rollouts=rollouts)

    def standing(self, name: str) -> Standing:
        site, number = self.sites[name], self.submitted[name]
        applied = site.number == number and not site.away
        health: Health = "Progressing" if not applied else "Healthy" if site.well else "Degraded"
        return Standing(number, applied, health, "", site.since, site.away)

    def write(self) -> None:
        """The status is written now; the hub may be killed long after."""
        rows = tuple(ClusterRow(name, revision=self.submitted[name]) for name in self.submitted)
        self.written_of = self.app
        self.written = ApplicationStatus(
            sequence=self.revisions.sequence,
            intent=self.revisions.digest,
            content=self.revisions.content_digest,
            rollout=self.revisions.last,
            clusters=rows,
            placement=tuple(PlacedCluster(name) for name in self.submitted),
        )

    # What happens

    @rule(good=st.booleans())
    def the_image_changes(self, *, good: bool) -> None:
        self.version += 1
        image = f"shop:{'good' if good else 'bad'}-{self.version}"
        self.app = msgspec.structs.replace(self.app, manifests=(deployment("web", container(image=image)),))
        self.observe()

    @rule(name=st.sampled_from(sorted(ENVIRONMENTS)))
    def a_cluster_takes_what_it_was_handed(self, name: str) -> None:
        site = self.sites[name]
        if not site.away and (site.number, site.image) != (site.wanted_number, site.wanted):
            site.number, site.image, site.since = site.wanted_number, site.wanted, self.now
            self.observe()

    @rule(seconds=st.sampled_from([1, 11, 30, 400]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        self.observe()

    @rule(name=st.sampled_from(["d1", "t1", "p1", "p2"]))
    def a_cluster_goes_or_returns(self, name: str) -> None:
        site = self.sites[name]
        site.away = 0.0 if site.away else self.now
        site.since = self.now
        self.observe()

    @precondition(lambda self: len(self.names) < len(ENVIRONMENTS))
    @rule()
    def a_cluster_joins(self) -> None:
        self.names = sorted([*self.names, next(n for n in ENVIRONMENTS if n not in self.names)])
        self.observe()

    @rule()
    def a_person_approves(self) -> None:
        self.approved.setdefault(self.revisions.target, set()).add("prod")
        self.observe()

    @rule(paused=st.booleans())
    def a_person_pauses_or_resumes(self, *, paused: bool) -> None:
        wish = msgspec.structs.replace(self.app.rollout or Rollout(), paused=paused)
        self.app = msgspec.structs.replace(self.app, rollout=wish)
        self.observe()

    @rule()
    def a_person_aborts(self) -> None:
        if self.plan.rollout is not None and self.plan.rollout.phase in {"Progressing", "Waiting", "Failed"}:
            self.aborted.add(self.revisions.target)
            self.observe()

    @rule()
    def the_status_is_written(self) -> None:
        self.write()

    @rule()
    def the_hub_is_killed_and_started(self) -> None:
        """What it had in memory is lost; what is kept as Secrets is not."""
        if not self.written.sequence:
            return
        self.revisions = Revisions()
        self.revisions.restore(self.written, current=self.written_of is self.app)
        self.revisions.formers = dict(self.kept)
        self.submitted = {row.name: row.revision for row in self.written.clusters}
        self.observe()

    # What always holds

    @invariant()
    def the_same_snapshot_is_the_same_plan(self) -> None:
        assert plan(self.intent, self.fleet) == self.plan

    @invariant()
    def no_more_clusters_change_at_once_than_may(self) -> None:
        rollout, wish = self.plan.rollout, self.app.rollout or Rollout()
        if rollout is None or rollout.phase in {"Complete", "RollingBack", "RolledBack"}:
            return
        stages = [(s.name, s.max_unavailable) for s in wish.stages] or [("all", None)]
        for stage, own in stages:
            members = [n for n in self.names if stage in {"all", ENVIRONMENTS[n]}]
            limit = portion(wish.max_unavailable if own is None else own, len(members))
            newly = [n for n in members if self.newly_admitted(n)]
            assert not newly or len(newly) + sum(self.in_change(n) for n in members) <= limit

    def newly_admitted(self, name: str) -> bool:
        """It had something else before this plan, and gets the wanted content by it."""
        progress = self.fleet.rollouts[SHOP]
        there, delivery = progress.standing.get(name), self.plan.deliveries.get(name)
        if there is None or delivery is None or there.revision == delivery.revision.sequence:
            return False
        had = content_at(there.revision, progress)
        return delivery.objects == progress.content.manifests and (had is None or had.digest != progress.content.digest)

    def in_change(self, name: str) -> bool:
        """It was handed the wanted content before, and isn't well with it yet."""
        there = self.fleet.rollouts[SHOP].standing.get(name)
        if there is None or there.revision < self.revisions.target or there.away:
            return False
        return not (there.applied and there.health == "Healthy")

    @invariant()
    def no_stage_is_entered_before_the_ones_ahead_are_done(self) -> None:
        rollout = self.plan.rollout
        if rollout is None or not rollout.stages or rollout.phase in {"Complete", "RollingBack", "RolledBack"}:
            return
        states = [stage.state for stage in rollout.stages]
        first = next((i for i, state in enumerate(states) if state != "Done"), len(states))
        assert set(states[first + 1 :]) <= {"Pending"}
        later = {stage.name for stage in rollout.stages[first + 1 :]}
        for name in self.names:
            assert not (ENVIRONMENTS[name] in later and self.newly_admitted(name)), f"{name} is ahead of its turn"

    @invariant()
    def prod_is_entered_only_with_approval(self) -> None:
        rollout = self.plan.rollout
        if rollout is None or "prod" not in {stage.name for stage in rollout.stages}:
            return
        if rollout.phase in {"Complete", "RollingBack", "RolledBack"}:
            return
        approved = "prod" in self.approved.get(self.revisions.target, ())
        assert approved or not any(self.newly_admitted(n) for n in self.names if ENVIRONMENTS[n] == "prod")

    @invariant()
    def every_placed_cluster_is_accounted_for(self) -> None:
        parts = (self.plan.deliveries, self.plan.refusals, self.plan.unreached, self.plan.kept)
        chosen = sorted(verdict.cluster for verdict in self.plan.verdicts if verdict.chosen)
        assert sorted(name for part in parts for name in part) == chosen

    @invariant()
    def what_a_cluster_keeps_is_what_it_had(self) -> None:
        """A delivery under an older number says what that number stood for, never the wanted content."""
        if self.plan.rollout is None:
            return
        for name, delivery in self.plan.deliveries.items():
            site = self.sites[name]
            if delivery.revision.sequence < self.revisions.target and site.number == delivery.revision.sequence:
                image = delivery.objects[0].body["spec"]["template"]["spec"]["containers"][0]["image"]
                assert image == site.image

    def teardown(self) -> None:
        """It always gets somewhere: once all are well, reachable and approved, the change is complete or taken back."""
        if not hasattr(self, "app"):
            return
        wish = msgspec.structs.replace(self.app.rollout, paused=False) if self.app.rollout else None
        self.app = msgspec.structs.replace(self.app, rollout=wish)
        for site in self.sites.values():
            site.away, site.since = 0.0, self.now
        self.observe()
        for _ in range(60):
            for name in self.names:
                site = self.sites[name]
                if (site.number, site.image) != (site.wanted_number, site.wanted):
                    site.number, site.image, site.since = site.wanted_number, site.wanted, self.now
            self.approved.setdefault(self.revisions.target, set()).add("prod")
            self.now += PATIENCE + 10
            self.observe()
        rollout = self.plan.rollout
        if rollout is None or rollout.phase in {"Complete", "RolledBack"}:
            images = {self.sites[name].image for name in self.names}
            assert len(images) == 1
        else:
            assert rollout.phase == "Failed", rollout
            assert any(not self.sites[name].well for name in self.names) or self.revisions.target in self.aborted


TestRolling = Rolling.TestCase
TestRolling.settings = effort(60, 40)
