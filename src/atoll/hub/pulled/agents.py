"""All agents in pull mode: who may call, and who is there."""

from collections import Counter
from collections.abc import AsyncGenerator

from atoll.hub.pulled.connection import PulledConnection
from atoll.hub.pulled.conversation import Conversation
from atoll.hub.pulled.terms import Terms
from atoll.kube.errors import Unreachable
from atoll.link.session import Refused, Session, Stream
from atoll.pull.channel import Channel
from atoll.pull.framing import TO_HUB
from atoll.pull.protocol import CONTROL, Answer, Bye, Question, ToHub

TALKS_MOST = 8
"""Conversations with one agent, those included that have just ended: each may hold a message of megabytes that isn't
complete.
"""


class Agents:
    """By cluster name, which is the one that an agent's certificate proves: `session.peer`."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._connections: dict[str, PulledConnection] = {}
        self._talks: Counter[str] = Counter()
        self.starting = True
        """The hub doesn't know yet what belongs to whom: agents wait."""

    def connection(self, name: str, uid: str, resume: str) -> PulledConnection:
        """That of cluster `name`, which is in pull mode: from now on its agent may call."""
        found = self._connections.get(name)
        if found is None:
            found = self._connections[name] = PulledConnection(name, self._terms, self._drop)
        found.expect(uid, resume)
        return found

    def get(self, name: str) -> PulledConnection | None:
        return self._connections.get(name)

    def serve(self, session: Session) -> None:
        """Let the agent at the other end of `session` open its control stream."""

        async def handle(stream: Stream) -> None:
            if self._talks[session.peer] >= TALKS_MOST:
                raise Refused("Busy", "an agent talks on one stream")
            self._talks[session.peer] += 1
            try:
                await self.attend(session, stream)
            finally:
                self._talks[session.peer] -= 1
                if not self._talks[session.peer]:
                    del self._talks[session.peer]

        session.serve(handle, lambda target: target == CONTROL)

    async def attend(self, session: Session, stream: Stream) -> None:
        """Talk on `stream` until that ends, with the agent of cluster `session.peer`."""
        connection = self._connections.get(session.peer)
        if self.starting:
            await _send_away(stream, Bye("Starting", "the hub has just started"))
        elif connection is None:
            text = f"there is no cluster {session.peer} in pull mode on this hub"
            await _send_away(stream, Bye("UnknownCluster", text))
        else:
            await Conversation(connection, session, stream, self._terms).run()

    async def ask(self, name: str, question: Question) -> AsyncGenerator[Answer, None]:
        """The answers of cluster `name`'s agent, to their end. Raises Unreachable."""
        connection = self._connections.get(name)
        if connection is None:
            raise Unreachable("UnknownCluster", f"there is no cluster {name} in pull mode")
        async for answer in connection.ask(question):
            yield answer

    def _drop(self, connection: PulledConnection) -> None:
        if self._connections.get(connection.name) is connection:
            del self._connections[connection.name]


async def _send_away(stream: Stream, bye: Bye) -> None:
    channel: Channel[ToHub] = Channel(stream, ToHub, TO_HUB)
    await channel.part(bye)
