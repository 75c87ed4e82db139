"""The pull protocol: every message, with its direction. Its version is negotiated, so that neighbours understand.

An agent opens `CONTROL` on its hub and says Hello; the hub answers Welcome, or Bye. Then the hub says what it wants on
this cluster, each application apart (Deliver, Keep, Remove), and once that is all of it, Synced. From then on it says
what changes. The agent says what came of it, in reports that are numbered; a report whose number is not higher than
that of the one before is dropped. Questions are put the other way round: the hub opens `QUESTION` on the agent for
each, says what it asks, and reads answers until the end; it keeps its direction open for as long as it listens.

How it may change: a field is added with a default, a message is added with a name of its own. Readers ignore fields and
messages that they don't know. What can't be said so makes a new version; a program speaks its own and the one before,
thus an agent may be one version older or newer than its hub.

Version 2: deliveries and removals in a manner of their own, which nobody may carry out who doesn't know what that is;
and what a former manager left on the member (Inherit, Left, Verdicts).
"""

import hashlib
from typing import Literal

import msgspec

from atoll.api.cluster import Resources
from atoll.api.delivery import Delivery, Outcome, Removal
from atoll.api.objects import GroupKind, Json, ObjectId
from atoll.api.observation import Observation
from atoll.api.rooms import Rooms

CONTROL = "pull/1"
"""What an agent opens on its hub. The number is that of the framing; the messages' version is negotiated."""
QUESTION = "ask/1"
"""What a hub opens on an agent, once for each question."""


class Versions(msgspec.Struct, frozen=True):
    """Those that one end speaks, both ends of the range included."""

    oldest: int
    newest: int


SPOKEN = Versions(1, 2)
MANNERS = 2
"""From this version on, agents know that a delivery may be written in another manner than Atoll's own."""


def agree(ours: Versions, theirs: Versions) -> int | None:
    """The newest version that both speak; None when there is none."""
    newest = min(ours.newest, theirs.newest)
    return newest if newest >= max(ours.oldest, theirs.oldest) else None


class Message(msgspec.Struct, frozen=True, tag_field="is", omit_defaults=True):
    """What all messages share: its name stands in `is`."""


# Both directions.


class Bye(Message, frozen=True, tag="bye"):
    """The last message: why it ends. `reason` is one CamelCase word; `again`: trying later may help."""

    reason: str
    text: str = ""
    again: bool = True


# From the agent to the hub.


class MemberState(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the agent reaches its member's API server; `uid` is the kube-system namespace's."""

    reachable: bool | None = None
    reason: str = ""
    message: str = ""
    uid: str = ""
    version: str = ""


class Hello(Message, frozen=True, tag="hello"):
    """Who calls. Which cluster it speaks for is not said: its certificate has said that.

    `life` grows from one start of the agent to the next: of two that call, the later one is heard. `held` is what it
    holds already: a target's digest by application UID. `hub` is the id of the hub that it holds it from, "" for none.
    """

    versions: Versions
    life: int
    agent: str = ""
    hub: str = ""
    member: MemberState = MemberState()
    held: dict[str, str] = {}


class Report(Message, frozen=True, tag="report"):
    """What came of the deliveries, the latest word for each application that something changed for."""

    number: int
    outcomes: tuple[Outcome, ...] = ()
    observations: tuple[Observation, ...] = ()


class Stock(Message, frozen=True, tag="stock"):
    """How many objects of ours each application has on the member, by its UID, labelled as this hub's.

    `complete`: all of them; else only those that changed, 0 for none left.
    """

    number: int
    objects: dict[str, int]
    complete: bool = False


class Left(Message, frozen=True, tag="left"):
    """Objects that the agent was told to look for by Inherit: what is to become of each? Answered by Verdicts."""

    number: int
    objects: tuple[ObjectId, ...]


class Count(Message, frozen=True, tag="count"):
    """What the member has and offers: see fleet.capacity.Capacity, whose fields these are.

    `waiting`: namespace and name of each workload with Pods that no node takes, and since when each of these waits.
    """

    number: int
    nodes: int = 0
    ready_nodes: int = 0
    regions: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    allocatable: Resources = Resources()
    requested: Resources | None = None
    rooms: Rooms | None = None
    waiting: tuple[tuple[str, str, tuple[float, ...]], ...] = ()


class Beat(Message, frozen=True, tag="beat"):
    """The answer to a Ping. `trouble` says why the intent can't be kept on the member, `doubt` why the hub isn't
    believed in everything until it is confirmed; both "" when all is well.
    """

    number: int
    ping: int
    member: MemberState = MemberState()
    trouble: str = ""
    doubt: str = ""
    resumed: str = ""


# From the hub to the agent.


class Welcome(Message, frozen=True, tag="welcome"):
    """Who answers: hub `hub` in its life `epoch`, which knows the agent's cluster as `cluster`.

    `process` is a name of its own for each of its processes, and `moment` how far its API server had come when that
    process began (a resourceVersion). What was wanted by another process before can't be of a later moment, unless the
    hub was restored from a backup since. `resume` is the word by which an administrator last confirmed that it is to be
    believed.
    """

    version: int
    cluster: str
    hub: str
    epoch: int
    moment: int
    process: str = ""
    resume: str = ""
    beat: float = 5.0


class Deliver(Message, frozen=True, tag="deliver"):
    """Have this on the member: `delivery` is a Delivery, `digest` its name, see `packed`."""

    uid: str
    digest: str
    delivery: msgspec.Raw


class Keep(Message, frozen=True, tag="keep"):
    """What you hold of this application is what is wanted."""

    uid: str
    digest: str


class Remove(Message, frozen=True, tag="remove"):
    """Have nothing of this application on the member, or with `orphan` nothing that is marked as ours."""

    removal: Removal


class Forget(Message, frozen=True, tag="forget"):
    """Nothing is wanted of this application: what is there stays as it is."""

    uid: str


class Synced(Message, frozen=True, tag="synced"):
    """That was all. What the agent holds and wasn't told of isn't wanted, but for `unknown`: the hub can't say yet."""

    unknown: tuple[str, ...] = ()


class Ownerless(Message, frozen=True, tag="ownerless"):
    """Of the applications in the stock, these UIDs belong to none that exists, and replace those said before."""

    uids: tuple[str, ...]


class Inherit(Message, frozen=True, tag="inherit"):
    """Look for objects of these kinds that have all of these labels and belong to no Application, and ask about each.
    It replaces what was said before, and asks about all of them anew; without kinds, nothing is looked for.
    """

    labels: dict[str, str] = {}
    kinds: tuple[GroupKind, ...] = ()


class Verdicts(Message, frozen=True, tag="verdicts"):
    """The answer to a Left, to be used once for each."""

    verdicts: tuple[tuple[ObjectId, Literal["keep", "delete", "unmark"]], ...]


class Resume(Message, frozen=True, tag="resume"):
    """An administrator confirms, by a new `word`, that what this hub says now is what counts."""

    word: str


class Ping(Message, frozen=True, tag="ping"):
    """Are you there?"""

    number: int


# Questions about the member, each on a stream of its own, and their answers.


class Look(Message, frozen=True, tag="look"):
    """What is there of an application, and what that made? Answered by Objects; Secrets come without values."""

    uid: str


class Compare(Message, frozen=True, tag="compare"):
    """What would this delivery change? Answered by Changes.

    `removal`: what would go instead, if nothing of it were wanted any more; with `orphan`, objects stay. `alive` are
    the UIDs of the hub's applications; None when whoever asks doesn't know them.
    """

    delivery: Delivery
    alive: tuple[str, ...] | None = None
    removal: bool = False
    orphan: bool = False


class Events(Message, frozen=True, tag="events"):
    """What events are there about an application's objects? Answered by Objects, `events` only."""

    uid: str


class Logs(Message, frozen=True, tag="logs"):
    """The logs of an application's Pods whose names begin with `workload`. Answered by Line, and Trouble for a Pod."""

    uid: str
    workload: str = ""
    container: str = ""
    follow: bool = False
    tail: int | None = None
    since: int | None = None
    previous: bool = False


class Probe(Message, frozen=True, tag="probe"):
    """Does the member's API server answer? Answered by Probed."""


class Clean(Message, frozen=True, tag="clean"):
    """Remove what Atoll placed for itself: the member leaves the fleet. Answered by Cleaned."""


Question = Look | Compare | Events | Logs | Probe | Clean


class Objects(Message, frozen=True, tag="objects"):
    """Live objects as JSON: `roots` were delivered, `owned` belong to those."""

    roots: tuple[msgspec.Raw, ...] = ()
    owned: tuple[msgspec.Raw, ...] = ()
    events: tuple[msgspec.Raw, ...] = ()


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One object that would be made (`before` None), deleted (`after` None) or changed; or why that isn't known.

    `note` is what is to be known besides. `ours`, with a trouble: the object is there, and the Application's.
    """

    cluster: str
    id: ObjectId
    before: Json | None = None
    after: Json | None = None
    trouble: str = ""
    note: str = ""
    ours: bool = False

    @property
    def deleted(self) -> bool:
        return self.before is not None and self.after is None


class Changes(Message, frozen=True, tag="changes"):
    """Some of the changes."""

    changes: tuple[Change, ...]


class Line(Message, frozen=True, tag="line"):
    """One line of a log."""

    pod: str
    container: str
    text: str


class Trouble(Message, frozen=True, tag="trouble"):
    """Something could not be read, in words; the rest goes on."""

    text: str
    where: str = ""


class Probed(Message, frozen=True, tag="probed"):
    """It does; its version."""

    version: str


class Cleaned(Message, frozen=True, tag="cleaned"):
    """What stays behind, in words."""

    stays: tuple[str, ...] = ()


class Failed(Message, frozen=True, tag="failed"):
    """The question can't be answered; why."""

    reason: str
    text: str = ""


class End(Message, frozen=True, tag="end"):
    """The answer is complete: without it, it is not."""


Answer = Objects | Changes | Line | Trouble | Probed | Cleaned | Failed | End

ToHub = Hello | Report | Stock | Left | Count | Beat | Bye
ToAgent = Welcome | Deliver | Keep | Remove | Forget | Synced | Ownerless | Inherit | Verdicts | Resume | Ping | Bye
AnyMessage = ToHub | ToAgent | Question | Answer

_encoder = msgspec.json.Encoder(order="deterministic")
Kind = Literal["to hub", "to agent", "question", "answer"]


def packed(delivery: Delivery) -> Deliver:
    """`delivery` as it travels and is kept; equal deliveries have equal digests, in every process."""
    raw = _encoder.encode(delivery)
    return Deliver(delivery.uid, hashlib.blake2b(raw, digest_size=16).hexdigest(), msgspec.Raw(raw))
