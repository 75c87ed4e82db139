"""Questions about a member that only its agent can reach, put to the hub, which passes them on.

Who may ask is said by Kubernetes' own RBAC on the hub: whoever may have a token of ServiceAccount `atoll-members` in
`atoll-system`, by `create` on `serviceaccounts/token`, may look into members. The token is for this purpose only (its
audience), lives ten minutes, and is shown to nobody but the hub, whose authority is read from ConfigMap `hub` there.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from atoll import __version__
from atoll.api.names import HUB_CONFIGMAP, SYSTEM_NAMESPACE
from atoll.kube.client import Client
from atoll.kube.connection import Config
from atoll.kube.errors import ConfigError, NotFound, Unreachable
from atoll.kube.resources import CONFIGMAPS, SERVICEACCOUNTS
from atoll.kube.transport import Request, Transport
from atoll.link.sight import Sight
from atoll.pull.framing import TO_AGENT, ProtocolError, Reader, frame
from atoll.pull.protocol import Answer, Compare, End, Events, Failed, Logs, Look, Probe

ACCOUNT = "atoll-members"
"""As in `install.layout`."""
AUDIENCE = "atoll"
LIFE = 600
PATH = "/ask/{cluster}"
NO_ENDPOINT = "this hub has no endpoint for agents; `atoll hub --agents-address` gives it one"

Question = Look | Compare | Events | Logs | Probe
Ask = Callable[[Question], AsyncIterator[Answer]]
"""Puts a question to one member. Raises KubeError while the answer is read."""


@asynccontextmanager
async def asking_through_hub(hub: Client, cluster: str) -> AsyncIterator[Ask]:
    """How the agent of `cluster` is asked. Raises ConfigError where the hub has no endpoint, KubeError for no token."""
    async with _endpoint(hub) as transport:
        yield lambda question: _ask(transport, cluster, question)


async def sight(hub: Client, cluster: str) -> Sight | None:
    """How the connection with the agent of `cluster` goes, as the hub sees it; None when it never saw one. Raises
    ConfigError, KubeError.
    """
    async with _endpoint(hub) as transport:
        answer = await transport.send(Request("ask", "GET", PATH.format(cluster=cluster), timeout=10.0))
    return msgspec.json.decode(answer.body, type=Sight | None)


@asynccontextmanager
async def _endpoint(hub: Client) -> AsyncIterator[Transport]:
    data = (await hub.get(CONFIGMAPS, HUB_CONFIGMAP, SYSTEM_NAMESPACE)).body().get("data") or {}
    address, authority = data.get("agents-addresses", "").split(",")[0], data.get("agents-authority", "")
    if not address:
        raise ConfigError(NO_ENDPOINT)
    config = Config(server=address, ca=authority.encode(), token=await _token(hub), source="the hub's endpoint")
    async with Transport(config, user_agent=f"atoll/{__version__}", connections=4, timeout=30.0) as transport:
        yield transport


async def _token(hub: Client) -> str:
    path = SERVICEACCOUNTS.path(SYSTEM_NAMESPACE, ACCOUNT, "token")
    try:
        answer = await hub.request("POST", path, body={"spec": {"audiences": [AUDIENCE], "expirationSeconds": LIFE}})
    except NotFound as error:
        raise ConfigError(NO_ENDPOINT) from error
    return str(answer["status"]["token"])


async def _ask(transport: Transport, cluster: str, question: Question) -> AsyncGenerator[Answer, None]:
    headers = {"Content-Type": "application/octet-stream", "Accept": "*/*"}
    request = Request("ask", "POST", PATH.format(cluster=cluster), body=frame(question), headers=headers)
    reader: Reader[Answer] = Reader(Answer, TO_AGENT)
    idle = None if isinstance(question, Logs) and question.follow else 60.0
    async with transport.stream(request, idle=idle) as pieces:
        try:
            async for piece in pieces:
                for answer in reader.feed(piece):
                    if isinstance(answer, End):
                        return
                    if isinstance(answer, Failed):
                        raise Unreachable(answer.reason, answer.text)
                    yield answer
        except ProtocolError as error:
            raise Unreachable("Protocol", f"the hub's answer can't be read: {error}") from error
    raise Unreachable("Closed", "the answer broke off")
