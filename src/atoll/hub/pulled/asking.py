"""Questions to an agent, each on a stream of its own."""

from collections.abc import AsyncGenerator

from atoll.kube.errors import Unreachable
from atoll.link.session import LinkError, Session
from atoll.pull.channel import Channel
from atoll.pull.framing import TO_HUB, ProtocolError
from atoll.pull.protocol import QUESTION, Answer, End, Failed, Question


async def ask(session: Session, question: Question) -> AsyncGenerator[Answer, None]:
    """The answers to `question`, as they come. Raises Unreachable when there is none, or not all of it.

    Who stops listening has the agent stop, too: close the generator.
    """
    try:
        stream = await session.open(QUESTION)
    except LinkError as error:
        raise Unreachable(error.reason, f"the agent takes no question: {error}") from error
    channel: Channel[Answer] = Channel(stream, Answer, TO_HUB)
    try:
        await channel.send(question)
        while not isinstance(answer := await channel.receive(), End):
            if isinstance(answer, Failed):
                raise Unreachable(answer.reason, answer.text)
            yield answer
    except (LinkError, ProtocolError) as error:
        reason = error.reason if isinstance(error, LinkError) else "Protocol"
        raise Unreachable(reason, f"the agent's answer broke off: {error}") from error
    finally:
        channel.reset("Done")
