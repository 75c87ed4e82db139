"""A question about a member, answered by its own API server."""

from collections.abc import AsyncGenerator, Iterable, Iterator

import msgspec

from atoll.api.objects import GroupKind
from atoll.inquire.comparing import SALT, compare
from atoll.inquire.logs import read_logs
from atoll.inquire.looking import happened, look
from atoll.inquire.masking import masked
from atoll.kube.client import Client
from atoll.kube.objects import Object
from atoll.pull.protocol import Answer, Changes, Compare, Events, Logs, Look, Objects, Probe, Probed

PIECE = 1 << 20
"""Bytes after which an answer is sent in another part."""
PATIENCE = 5.0
"""Seconds in which an API server that is well says its version."""
SECRET = GroupKind("", "Secret")

Asked = Look | Compare | Events | Logs | Probe


async def answers(member: Client, cluster: str, hub_id: str, question: Asked) -> AsyncGenerator[Answer, None]:
    """The answers of `member`, which is called `cluster`, to hub `hub_id`. Raises KubeError."""
    match question:
        case Look(uid=uid):
            there = await look(member, cluster, hub_id, uid)
            for part in _parts(there.roots):
                yield Objects(roots=part)
            for part in _parts(there.owned):
                yield Objects(owned=part)
        case Events(uid=uid):
            there = await look(member, cluster, hub_id, uid)
            for part in _parts(await happened(member, there)):
                yield Objects(events=part)
        case Compare():
            for change in await compare(member, cluster, hub_id, question):
                yield Changes((change,))
        case Probe():
            found = await member.request("GET", "/version", timeout=PATIENCE)
            yield Probed(str(found.get("gitVersion", "")))
        case Logs():
            async for told in read_logs(member, cluster, hub_id, question):
                yield told


def _parts(objects: Iterable[Object]) -> Iterator[tuple[msgspec.Raw, ...]]:
    part: list[msgspec.Raw] = []
    size = 0
    for item in objects:
        part.append(_shown(item))
        size += len(item.raw)
        if size >= PIECE:
            yield tuple(part)
            part, size = [], 0
    if part:
        yield tuple(part)


def _shown(item: Object) -> msgspec.Raw:
    """As JSON, a Secret without its values."""
    return msgspec.Raw(msgspec.json.encode(masked(item.body(), SALT)) if item.group_kind == SECRET else item.raw)
