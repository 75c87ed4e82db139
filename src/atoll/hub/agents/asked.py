"""The hub's end of questions about members in pull mode: who asks is proved, then the agent is asked.

See `fleet.asking` for who may. Nothing but the questions that are named there passes, whoever asks.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

import msgspec
import structlog
from aiohttp import web

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.fleet.asking import ACCOUNT, AUDIENCE, PATH, Question
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, KubeError, NotFound, Unreachable
from atoll.kube.resources import SERVICEACCOUNTS
from atoll.link.listening import refusal
from atoll.link.sight import Sight
from atoll.pull.framing import TO_HUB, ProtocolError, Reader, frame
from atoll.pull.protocol import Answer, End, Failed
from atoll.runtime.supervise import cancel_and_wait

log = structlog.get_logger(__name__)

WHO = f"system:serviceaccount:{SYSTEM_NAMESPACE}:{ACCOUNT}"
LOOK = 1.0
"""Seconds between two looks at whether somebody still listens."""


class Asked:
    """Two routes. `ask(cluster, question)` puts a question to an agent; `sight(cluster)` is how its connection goes."""

    def __init__(
        self,
        client: Client,
        ask: Callable[[str, Question], AsyncGenerator[Answer, None]],
        sight: Callable[[str], Sight | None],
    ) -> None:
        self._client = client
        self._ask = ask
        self._sight = sight

    def routes(self) -> list[web.RouteDef]:
        return [web.post(PATH, self._answer), web.get(PATH, self._show)]

    async def prepare(self) -> None:
        """Make the account whose tokens are asked with, unless the hub's installation has brought it."""
        with contextlib.suppress(NotFound):
            await self._client.get(SERVICEACCOUNTS, ACCOUNT, SYSTEM_NAMESPACE)
            return
        metadata = {"name": ACCOUNT, "namespace": SYSTEM_NAMESPACE}
        body = {"metadata": metadata, "automountServiceAccountToken": False}
        with contextlib.suppress(AlreadyExists):
            await self._client.create(SERVICEACCOUNTS, body)

    async def _show(self, request: web.Request) -> web.StreamResponse:
        if not await self._may(request.headers.get("Authorization", "")):
            return _nobody()
        found = self._sight(request.match_info["cluster"])
        return web.Response(body=msgspec.json.encode(found), content_type="application/json")

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if not await self._may(request.headers.get("Authorization", "")):
            return _nobody()
        try:
            question = await _question(request)
        except ProtocolError as error:
            return refusal(400, "BadRequest", str(error))
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(request)
        passing = asyncio.create_task(self._pass_on(response, request.match_info["cluster"], question))
        try:
            while not (await asyncio.wait([passing], timeout=LOOK))[0]:
                if request.transport is None or request.transport.is_closing():
                    break  # nobody listens, and a log may have nothing to say for days
            else:
                passing.result()
                await response.write_eof()
        except ConnectionError:
            log.info("nobody listens any more", cluster=request.match_info["cluster"])
        finally:
            await cancel_and_wait(passing)
        return response

    async def _pass_on(self, response: web.StreamResponse, cluster: str, question: Question) -> None:
        answers = self._ask(cluster, question)
        try:
            async for answer in answers:
                await response.write(frame(answer))
        except Unreachable as error:
            await response.write(frame(Failed(error.reason, str(error))))
        else:
            await response.write(frame(End()))
        finally:
            await answers.aclose()

    async def _may(self, authorization: str) -> bool:
        """Whether it is a token of the account, for this audience, by the word of the hub's API server."""
        scheme, _, token = authorization.partition(" ")
        if scheme != "Bearer" or not token:
            return False
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [AUDIENCE]},
        }
        try:
            answer = await self._client.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body=review)
        except KubeError as error:
            log.warning("a token can't be reviewed", error=str(error))
            return False
        status = answer.get("status") or {}
        return (
            status.get("authenticated") is True
            and (status.get("user") or {}).get("username") == WHO
            and AUDIENCE in (status.get("audiences") or ())
        )


def _nobody() -> web.Response:
    return refusal(401, "Unauthorized", f"a token of ServiceAccount {SYSTEM_NAMESPACE}/{ACCOUNT} is needed here")


async def _question(request: web.Request) -> Question:
    """The one question of the body. Raises ProtocolError for anything else."""
    reader: Reader[Question] = Reader(Question, TO_HUB)
    found: list[Question] = []
    async for piece in request.content.iter_any():
        found += reader.feed(piece)
    if len(found) != 1 or not reader.between:
        raise ProtocolError("one question is expected")
    return found[0]
