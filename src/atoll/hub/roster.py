"""Clusters by what else they are known by: the Secret that they are reached with, and the identity they had last."""

from collections import defaultdict

import msgspec

from atoll.kube.objects import Object
from atoll.runtime.changes import Change


class _Secret(msgspec.Struct, frozen=True):
    kubeconfig_secret: str = msgspec.field(default="", name="kubeconfigSecret")


class _Connection(msgspec.Struct, frozen=True):
    direct: _Secret | None = None


class _Spec(msgspec.Struct, frozen=True):
    connection: _Connection = _Connection()


class _Status(msgspec.Struct, frozen=True):
    uid: str = ""


class Identity(msgspec.Struct, frozen=True):
    """A Cluster, as far as that goes: each is read once for each version, not once for each question."""

    spec: _Spec = _Spec()
    status: _Status = _Status()

    @property
    def secret(self) -> str:
        """Its kubeconfig's; none when it is reached by its agent."""
        direct = self.spec.connection.direct
        return direct.kubeconfig_secret if direct is not None else ""


class Roster:
    """Told of each change of a Cluster. With a thousand clusters, whose agents come within seconds, looking through all
    of them for each would take the hub longer than everything else.
    """

    def __init__(self) -> None:
        self._known: dict[str, Identity] = {}
        self._by_secret: defaultdict[str, set[str]] = defaultdict(set)
        self._by_uid: defaultdict[str, set[str]] = defaultdict(set)

    def changed(self, change: Change[Object]) -> None:
        name = change.id.name
        if (before := self._known.pop(name, None)) is not None:
            _drop(self._by_secret, before.secret, name)
            _drop(self._by_uid, before.status.uid, name)
        if change.new is not None:
            now = self._known[name] = change.new.read(Identity)
            self._by_secret[now.secret].add(name)
            self._by_uid[now.status.uid].add(name)

    def reached_with(self, secret: str) -> frozenset[str]:
        """The clusters whose kubeconfig is in this Secret."""
        return frozenset(self._by_secret.get(secret, ()))

    def uid(self, name: str) -> str:
        """The identity that Cluster `name` was last known by; "" when it never was reached."""
        known = self._known.get(name)
        return known.status.uid if known is not None else ""

    def known_as(self, uid: str) -> frozenset[str]:
        """The clusters whose identity this was when they were last reached."""
        return frozenset(self._by_uid.get(uid, ()))


def _drop(index: defaultdict[str, set[str]], key: str, name: str) -> None:
    index[key].discard(name)
    if not index[key]:
        del index[key]
