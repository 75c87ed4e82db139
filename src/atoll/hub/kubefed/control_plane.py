"""Taking a KubeFed control plane's place: its lock is held, its admission answered, its start told in its words."""

from collections.abc import Awaitable, Callable

import structlog

from atoll.api.kubefed.config import KubeFedConfig
from atoll.api.kubefed.names import CONFIG, CORE_GROUP, CORE_VERSION, LEADER_LOCK, Gate, Scope, Switch
from atoll.api.names import GROUP, VERSION
from atoll.hub.hooks import Hook
from atoll.hub.kubefed.admission import kubefed_hook
from atoll.hub.kubefed.leading import check_free, election, identity, terms
from atoll.hub.kubefed.settings import complete
from atoll.kube.client import Client
from atoll.kube.errors import ConfigError, NotFound
from atoll.kube.kubefed_resources import KUBEFEDCONFIGS
from atoll.runtime.lease import LeaderElection

log = structlog.get_logger(__name__)

Tell = Callable[[str], None]


class ControlPlane:
    """The one of `namespace`; `tell` is given the lines that KubeFed's controller manager logs at its start."""

    def __init__(self, client: Client, namespace: str, tell: Tell | None = None) -> None:
        self._client = client
        self._namespace = namespace
        self._tell = tell or log.info
        self._election: LeaderElection | None = None
        self._scope = Scope.CLUSTER.value

    @property
    def leading(self) -> bool:
        return self._election is not None and self._election.leading

    @property
    def hooks(self) -> tuple[Hook, ...]:
        """What is asked at admission."""
        return (kubefed_hook(self._scope, self._namespace),)

    async def prepare(self) -> None:
        """Read how it is configured, and look at the lock. Raises ConfigError when it can't be begun.

        The lock is looked at early, since who holds it has to be seen idle for as long as the lease says.
        """
        await _check_installed(self._client)
        config = await self._config()
        if config is not None:
            self._scope = config.spec.scope
        if self._scope == Scope.NAMESPACED:
            self._tell(f'KubeFed will be limited to the "{self._namespace}" namespace')
        else:
            self._tell("KubeFed will target all namespaces")
        try:
            held = terms(config)
            self._election = election(self._client, self._namespace, held, identity())
        except ValueError as error:
            raise ConfigError(f'Error: invalid KubeFedConfig "{self._name}": spec.leaderElect: {error}') from error
        await check_free(self._client, self._namespace, held)
        await self._election.look()
        if config is not None and _collects(config):
            self._tell("Enabling RawResourceStatusCollection for all the enabled federated resources")
        self._tell(f"attempting to acquire leader lease {self._lock}...")

    async def lead(self, work: Callable[[], Awaitable[object]]) -> None:
        """`work` whenever the lock is held, until cancelled."""
        assert self._election is not None, "not prepared"

        async def promoted() -> None:
            self._tell(f"successfully acquired lease {self._lock}")
            self._tell("promoted as leader")
            try:
                await work()
            finally:
                self._tell("leader election lost")

        await self._election.run(promoted)

    def waits(self, holder: str) -> None:
        """The lock is held, and this cluster's hub may still be `holder`: "" is nobody."""
        if holder:
            self._tell(f'hub "{holder}" leads on this cluster: "{self._namespace}" is served once it leads no more')

    def begins(self) -> None:
        """The hub is about to do its work."""
        self._tell("Starting cluster controller")

    @property
    def _lock(self) -> str:
        return f"{self._namespace}/{LEADER_LOCK}"

    @property
    def _name(self) -> str:
        return f"{self._namespace}/{CONFIG}"

    async def _config(self) -> KubeFedConfig | None:
        """None when there is none: the front end makes one."""
        try:
            live = await self._client.get(KUBEFEDCONFIGS, CONFIG, self._namespace)
        except NotFound as error:
            self._tell(f'Cannot retrieve KubeFedConfig "{self._name}": {error}. Default options will be used.')
            self._tell(f'Creating KubeFedConfig "{self._name}" with default values')
            return None
        self._tell(f'Setting Options with KubeFedConfig "{self._name}"')
        try:
            config = complete(live)
        except ValueError as error:
            raise ConfigError(f'Error: invalid KubeFedConfig "{self._name}": {error}') from error
        self._tell(f'Using valid KubeFedConfig "{self._name}"')
        return config


def _collects(config: KubeFedConfig) -> bool:
    gates = {gate.name: gate.configuration for gate in config.spec.feature_gates or ()}
    return gates.get(Gate.RAW_RESOURCE_STATUS_COLLECTION) == Switch.ENABLED


async def _check_installed(client: Client) -> None:
    for group, version, whose in ((CORE_GROUP, CORE_VERSION, "KubeFed's"), (GROUP, VERSION, "Atoll's")):
        try:
            await client.request("GET", f"/apis/{group}/{version}")
        except NotFound as error:
            raise ConfigError(
                f"this cluster does not know {whose} kinds ({group}/{version}); `atoll install --kubefed` brings them"
            ) from error
