"""The agent's end of a question: read it, answer it, say that this was all. There is no other way into the member."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from atoll.agent.pulling.conversation import first
from atoll.fleet.member import Member
from atoll.inquire.answering import answers
from atoll.kube.errors import ApiError, KubeError, Unreachable
from atoll.link.session import LinkError, Stream
from atoll.pull.channel import Channel
from atoll.pull.framing import TO_AGENT, ProtocolError
from atoll.pull.protocol import Clean, Cleaned, End, Failed, Question

log = structlog.get_logger(__name__)


async def answer(stream: Stream, member: Member | None, clean: Callable[[], Awaitable[tuple[str, ...]]]) -> None:
    """Answer the one question that comes on `stream`, about `member`, which is None while it can't be reached.

    Who asks keeps its direction open for as long as it listens. Raises LinkError when it does no more, ProtocolError
    for what is no question.
    """
    channel: Channel[Question] = Channel(stream, Question, TO_AGENT)
    question = await channel.receive()
    try:
        async with asyncio.TaskGroup() as scope:
            listening = scope.create_task(_listened(channel))
            await _answer(channel, question, member, clean)
            listening.cancel()
    except* (LinkError, ProtocolError) as group:
        raise first(group) from None
    await channel.close()


async def _listened(channel: Channel[Question]) -> None:
    """Until nobody listens: a log may have nothing to say for days. Raises LinkError then."""
    await channel.receive()
    raise ProtocolError("a second question")


async def _answer(
    channel: Channel[Question],
    question: Question,
    member: Member | None,
    clean: Callable[[], Awaitable[tuple[str, ...]]],
) -> None:
    try:
        if isinstance(question, Clean):
            await channel.send(Cleaned(await clean()))
        elif member is None:
            raise Unreachable("Unreachable", "the agent can't reach the member's API server")
        else:
            async for part in answers(member.client, member.name, member.hub.id, question):
                await channel.send(part)
    except KubeError as error:
        reason = error.reason if isinstance(error, ApiError | Unreachable) else type(error).__name__
        log.info("question not answered", question=type(question).__name__, error=str(error))
        await channel.send(Failed(reason or "Failed", str(error)))
    else:
        await channel.send(End())
