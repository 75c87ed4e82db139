"""How an agent comes to be trusted: from the printed command to a state that can be kept."""

import asyncio

import msgspec
import structlog

from atoll.agent.state import PENDING, Folder, State
from atoll.kube.connection import Config
from atoll.link.certificates import CertificateError, make_key, make_request
from atoll.link.dialling import DialError
from atoll.link.enrolment import enrol, fetch_authority

log = structlog.get_logger(__name__)

PASSING = frozenset({"Refused", "Timeout", "Reset", "DNS", "NoRoute", "Starting", "Proxy"})
"""Reasons that may be over in a moment: the hub restarts, the network comes up."""
PATIENCE = 60.0


class Command(msgspec.Struct, frozen=True):
    """What the printed command says. `pin` is the fingerprint of the hub's authority."""

    address: str
    cluster: str
    token: str
    pin: str

    def __repr__(self) -> str:
        return f"Command(address={self.address!r}, cluster={self.cluster!r})"


async def enrolled(folder: Folder, command: Command | None) -> State:
    """The state in `folder`; else spend the command's token. Raises DialError, ValueError."""
    state = await folder.load()
    if state is not None and (command is None or not command.token):
        return state
    if command is None:
        raise ValueError(f"there is no agent in {folder.path}; `atoll cluster register NAME` prints how to start one")
    if state is not None and state.token == _id(command.token) and await _same_hub(state, command):
        return state
    until = asyncio.get_running_loop().time() + PATIENCE
    while True:
        try:
            return await _enrol(folder, command)
        except DialError as error:
            if error.reason not in PASSING or asyncio.get_running_loop().time() > until:
                raise
            log.info("the hub can't be reached yet", why=str(error))
            await asyncio.sleep(1.0)


def _id(token: str) -> str:
    return token.partition(".")[0]


async def _same_hub(state: State, command: Command) -> bool:
    """A command that is run a second time goes on with what the first made of it. Another token is a new beginning:
    the cluster may have left meanwhile, or another agent have taken its place.
    """
    try:
        ca = await fetch_authority(command.address, command.pin)
    except DialError:
        return True
    return ca == state.ca.encode()


async def _enrol(folder: Folder, command: Command) -> State:
    ca = await fetch_authority(command.address, command.pin)
    key = await folder.pending_key(make_key())
    try:
        request = make_request(key)
    except CertificateError as error:
        raise ValueError(f"{folder.path / PENDING} can't be read: {error}; remove it, and register anew") from error
    hub = Config(server=command.address, ca=ca)
    welcome = await enrol(hub, token=command.token, cluster=command.cluster, request=request)
    state = State(
        cluster=command.cluster,
        mode=welcome.mode,
        hub=welcome.hub,
        addresses=(command.address,),
        ca=ca.decode(),
        key=key.decode(),
        certificate=welcome.certificate,
        token=_id(command.token),
        entered=command.address,
    )
    state = msgspec.structs.replace(state, addresses=state.told(welcome.addresses))
    await folder.enrolled(state)
    log.info("enrolled", cluster=state.cluster, hub=state.hub, mode=state.mode)
    return state
