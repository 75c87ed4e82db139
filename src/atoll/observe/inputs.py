"""What a status is made of and other rooms make: only the shapes that are read here.

Planning, validation and the fleet have types of their own; observing doesn't import them, so each can be tried alone.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from atoll.api.delivery import Delivery
from atoll.api.rollout import RolloutStatus


class Reachability(Protocol):
    """What is known of a connection (fleet.link.Reach). `reachable` None: not tried yet. `since` is epoch seconds."""

    @property
    def reachable(self) -> bool | None: ...
    @property
    def reason(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def since(self) -> float: ...


class Finding(Protocol):
    """One thing that validation found (api.validate.Issue); `severity` is error or warning."""

    @property
    def path(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def severity(self) -> str: ...


class Share(Protocol):
    """Replicas on one cluster (plan.model.ClusterShare)."""

    @property
    def replicas(self) -> Mapping[str, int]: ...
    @property
    def common(self) -> int | None: ...
    @property
    def leaving(self) -> str: ...
    @property
    def most(self) -> int | None: ...
    @property
    def why(self) -> str: ...
    @property
    def carried(self) -> Mapping[str, str]: ...
    @property
    def came_from(self) -> str: ...


class Choice(Protocol):
    """Why a cluster was chosen or not (plan.model.Verdict)."""

    @property
    def cluster(self) -> str: ...
    @property
    def chosen(self) -> bool: ...
    @property
    def why(self) -> str: ...


class Refused(Protocol):
    """What could not be rendered for a cluster (plan.model.Refusal)."""

    @property
    def path(self) -> str: ...
    @property
    def message(self) -> str: ...


class Planned(Protocol):
    """What is read of a plan (plan.model.Plan): planning and observing don't know each other."""

    @property
    def verdicts(self) -> Sequence[Choice]: ...
    @property
    def shares(self) -> Mapping[str, Share]: ...
    @property
    def deliveries(self) -> Mapping[str, Delivery]: ...
    @property
    def refusals(self) -> Mapping[str, Refused]: ...
    @property
    def warnings(self) -> Sequence[str]: ...
    @property
    def short(self) -> str: ...
    @property
    def brake(self) -> str: ...
    @property
    def avoided(self) -> Mapping[str, str]: ...
    @property
    def unreached(self) -> Mapping[str, str]: ...
    @property
    def kept(self) -> Mapping[str, str]: ...
    @property
    def rollout(self) -> RolloutStatus | None: ...
