"""How a change goes from cluster to cluster: in which order, how many at once, and what must hold before it goes on."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from atoll.api.common import Base, Name, Rule, ShortText, Strict
from atoll.api.durations import Duration
from atoll.api.placement import ClusterTarget

StageName = Annotated[str, Meta(min_length=1, max_length=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
Url = Annotated[str, Meta(min_length=1, max_length=2048, pattern="^https?://[^/?#@]+([/?#].*)?$")]
Portion = Annotated[int | str, Meta(description='A number, or a share of the clusters such as "25%", rounded up.')]


class HttpCheck(Strict, frozen=True):
    """An HTTP request whose answer must be as expected. Redirects aren't followed."""

    url: Annotated[Url, Meta(description="Asked with GET. Link-local and loopback addresses are refused.")]
    status: Annotated[int, Meta(ge=100, le=599, description="The status code that is well.")] = 200
    contains: Annotated[str, Meta(max_length=1024, description="What the first 64 KiB of the answer must hold.")] = ""


class PrometheusCheck(Strict, frozen=True):
    """A query whose every value must be within bounds. No value at all is not well."""

    url: Annotated[Url, Meta(description="Of the Prometheus server, such as http://prometheus.monitoring:9090.")]
    query: Annotated[str, Meta(min_length=1, max_length=4096, description="An instant query in PromQL.")]
    min: Annotated[float | None, Meta(description="The least that is well.")] = None
    max: Annotated[float | None, Meta(description="The most that is well.")] = None

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule("has(self.min) || has(self.max)", "a query needs a threshold: give min, max or both"),
        Rule(
            "!has(self.min) || !has(self.max) || self.min <= self.max",
            "min is above max: no value could be within",
            ".min",
        ),
    )


class Check(Strict, frozen=True):
    """A question that is asked until the answer is well, or time is over, which is a failure of the stage."""

    http: Annotated[HttpCheck | None, Meta(description="An HTTP answer.")] = None
    prometheus: Annotated[PrometheusCheck | None, Meta(description="A metric.")] = None
    every: Annotated[Duration, Meta(description="How often it is asked; 10s when not given.")] = "10s"
    within: Annotated[Duration, Meta(description="How long an answer may be awaited; 5m when not given.")] = "5m"

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule("has(self.http) != has(self.prometheus)", "give either http or prometheus"),
    )


class Gates(Strict, frozen=True):
    """What must hold before a change goes on."""

    healthy_for: Annotated[
        Duration | None, Meta(description="How long a cluster must have been healthy before it counts as done.")
    ] = None
    check: Annotated[Check | None, Meta(description="Asked when all clusters of the stage are done.")] = None

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule("has(self.healthyFor) || has(self.check)", "says nothing: give healthyFor or check"),
    )


class Stage(ClusterTarget, frozen=True, kw_only=True):
    """Clusters that are changed before those of the next stage. In the last one, `all: true` is all the others."""

    name: Annotated[StageName, Meta(description="Such as dev: what approvals and the status call it.")]
    max_unavailable: Annotated[Portion | None, Meta(description="Instead of the rollout's.")] = None
    approval: Annotated[bool, Meta(description="A person must approve before it begins: `atoll app approve`.")] = False
    gates: Annotated[Gates | None, Meta(description="Instead of the rollout's.")] = None
    pause: Annotated[Duration | None, Meta(description="How long to wait when it is done.")] = None


class Rollout(Strict, frozen=True):
    """How a change of what is deployed goes from cluster to cluster.

    Without it, one cluster is changed first, and when that is healthy at most a quarter of them at a time. A change of
    objects that have no health of their own, such as ConfigMaps, goes to all at once.
    """

    stages: Annotated[
        tuple[Stage, ...], Meta(max_length=16, description="In order; each cluster belongs to one of them.")
    ] = ()
    max_unavailable: Annotated[
        Portion | None, Meta(description="How many clusters of a stage may be in change at once; 25% when not given.")
    ] = None
    gates: Annotated[Gates | None, Meta(description="For every stage that has none of its own.")] = None
    paused: Annotated[bool, Meta(description="No further cluster is changed; `atoll app pause` and `resume`.")] = False
    on_failure: Annotated[
        Literal["pause", "rollback"],
        Meta(description="When a changed cluster is Degraded: change no other, or go back to the last good revision."),
    ] = "pause"
    offline: Annotated[
        Literal["skip", "wait"],
        Meta(
            description="A cluster that can't be reached for offlineAfter: pass it over, and name it; it is changed "
            "when it is back. Or wait for it."
        ),
    ] = "skip"
    offline_after: Annotated[Duration, Meta(description="5m when not given.")] = "5m"


StageState = Literal["Pending", "Approval", "Updating", "Verifying", "Pausing", "Done"]
Phase = Literal["Progressing", "Waiting", "Paused", "Failed", "RollingBack", "RolledBack", "Complete"]


class StageStatus(Base, frozen=True):
    """How far one stage is."""

    name: Annotated[str, Meta(max_length=63, description="The stage.")]
    state: Annotated[StageState, Meta(description="How far it is.")] = "Pending"
    clusters: Annotated[int, Meta(description="Clusters in it.")] = 0
    updated: Annotated[int, Meta(description="Clusters that have the new revision and are well.")] = 0
    since: Annotated[str, Meta(max_length=32, description="Since when state is what it is, RFC 3339.")] = ""
    message: Annotated[ShortText, Meta(description="What it waits for.")] = ""


class RolloutStatus(Base, frozen=True):
    """How far a change is."""

    revision: Annotated[int, Meta(description="The sequence number with which what is rolled out began.")] = 0
    stable: Annotated[int, Meta(description="The last revision that reached every cluster; 0 when none did.")] = 0
    back: Annotated[int, Meta(description="From this sequence number on, stable holds again; 0: no rollback.")] = 0
    phase: Annotated[Phase, Meta(description="What happens now.")] = "Complete"
    message: Annotated[ShortText, Meta(description="Why, or what is waited for.")] = ""
    since: Annotated[str, Meta(max_length=32, description="Since when phase is what it is, RFC 3339.")] = ""
    stages: Annotated[tuple[StageStatus, ...], Meta(max_length=16, description="The stages, in order.")] = ()
    offline: Annotated[
        tuple[Name, ...], Meta(max_length=16, description="Clusters passed over, since they can't be reached.")
    ] = ()
