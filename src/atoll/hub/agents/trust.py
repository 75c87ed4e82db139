"""Who an agent is, and what it may: one page that every request of an agent passes.

An agent is let in by a token, once; after that by its certificate, as long as its Cluster is there with the same UID
and its key is the one that speaks for it. So leaving, registering again and deleting end an agent's access at once,
without a list of revoked certificates.
"""

import asyncio
import time
from collections.abc import Callable

import msgspec
import structlog

from atoll.api.cluster import Cluster
from atoll.fleet import tokens
from atoll.fleet.tokens import TokenError
from atoll.kube.client import Client
from atoll.kube.objects import Object
from atoll.link.certificates import AgentIdentity, Authority, CertificateError, identity_of, request_fingerprint
from atoll.link.enrolment import Request, Welcome

log = structlog.get_logger(__name__)

SEEN_WITHIN = 5.0
"""Seconds that a watch may take, at most, to tell of what was written."""


class RefusedError(Exception):
    """An agent's request is not granted; `reason` is one word, the text goes to the agent."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Proof(msgspec.Struct, frozen=True):
    """What a client certificate proved: whom its bearer speaks for, with which key, until when (epoch seconds)."""

    identity: AgentIdentity
    key: str
    until: float


class Trust:
    """`cluster(name)` and `bearer(name)` are the Cluster and its Secret `agent-<name>`, as they are known now.

    `unready()` says why they can't be known yet; "" when they are.
    """

    def __init__(
        self,
        client: Client,
        hub_id: str,
        authority: Authority,
        cluster: Callable[[str], Object | None],
        bearer: Callable[[str], Object | None],
        unready: Callable[[], str],
    ) -> None:
        self._client = client
        self._hub_id = hub_id
        self._authority = authority
        self.addresses: tuple[str, ...] = ()
        """Where agents reach the hub."""
        self._cluster = cluster
        self._bearer = bearer
        self._unready = unready

    async def enrol(self, request: Request) -> Welcome:
        """A token for a certificate. Raises RefusedError."""
        self._check_ready()
        key = self._key(request)
        try:
            record, again = await tokens.use(self._client, request.token, request.cluster, key)
            live = self._cluster(request.cluster)
            if live is None or live.deleting:
                raise RefusedError(403, "UnknownCluster", f"there is no Cluster {request.cluster} on this hub any more")
            await tokens.admit(self._client, request.cluster, live.uid, record, again=again)
        except TokenError as error:
            raise RefusedError(403, error.reason, str(error)) from error
        await self._seen(live, key)
        log.info("agent enrolled", cluster=request.cluster)
        return self._welcome(live, request)

    async def _seen(self, live: Object, key: str) -> None:
        """Until this process knows whom it let in: he comes at once, and would be taken for one who was replaced."""
        until = time.monotonic() + SEEN_WITHIN
        while not tokens.speaks_for(self._bearer(live.name), live.uid, key):
            if time.monotonic() > until:
                log.warning("the agent that was let in isn't seen yet", cluster=live.name)
                return
            await asyncio.sleep(0.01)

    def renew(self, proof: Proof, request: Request) -> Welcome:
        """A new certificate for the key of the old one. Raises RefusedError."""
        live = self.check(proof)
        if self._key(request) != proof.key:
            raise RefusedError(
                403, "OtherKey", "a certificate is renewed for its own key only; register the cluster anew"
            )
        return self._welcome(live, request)

    def check(self, proof: Proof) -> Object:
        """The Cluster that this agent speaks for. Raises RefusedError: it doesn't, or does no longer."""
        self._check_ready()
        name = proof.identity.cluster
        live = self._cluster(name)
        if proof.identity.hub != self._hub_id or live is None or live.uid != proof.identity.uid:
            raise RefusedError(403, "Left", f"Cluster {name} has left this hub; register it again to come back")
        if not tokens.speaks_for(self._bearer(name), live.uid, proof.key):
            raise RefusedError(403, "Revoked", f"another agent was registered for {name}; this one's access has ended")
        return live

    def prove(self, der: bytes | None) -> Proof:
        """Read the client certificate that TLS has verified. Raises RefusedError."""
        if not der:
            raise RefusedError(401, "NoCertificate", "an agent's certificate is needed here")
        try:
            return Proof(*identity_of(der))
        except CertificateError as error:
            raise RefusedError(401, "NoCertificate", str(error)) from error

    def _check_ready(self) -> None:
        if why := self._unready():
            raise RefusedError(503, "Starting", f"the hub isn't ready: {why}")

    def _welcome(self, live: Object, request: Request) -> Welcome:
        identity = AgentIdentity(self._hub_id, live.name, live.uid)
        certificate = self._authority.agent(request.request.encode(), identity)
        return Welcome(certificate.decode(), self._hub_id, self.addresses, mode_of(live))

    @staticmethod
    def _key(request: Request) -> str:
        try:
            return request_fingerprint(request.request.encode())
        except CertificateError as error:
            raise RefusedError(400, "BadRequest", str(error)) from error


def mode_of(live: Object) -> str:
    """How the Cluster is reached, in one word."""
    return live.read(Cluster).spec.connection.mode
