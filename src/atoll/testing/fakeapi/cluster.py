"""A cluster's objects with the rules of an API server, in memory and without HTTP.

What a kube-apiserver does for any kind: identities, generations, preconditions, finalizers, graceful deletion,
namespaces, status apart from spec, field ownership. No defaults, no validation of particular kinds, and no controllers:
nothing happens by itself. All methods are synchronous and raise Refusal.
"""

import itertools
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import jsonpatch
import msgspec

from atoll.api.objects import GroupKind, Json
from atoll.testing.fakeapi import apply as ssa
from atoll.testing.fakeapi import rules
from atoll.testing.fakeapi.kinds import Kind, Kinds, of_crd
from atoll.testing.fakeapi.refusals import Refusal, bad_request, changed, not_found
from atoll.testing.fakeapi.store import Store

_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode
NAMESPACE = GroupKind("", "Namespace")
CRD = GroupKind("apiextensions.k8s.io", "CustomResourceDefinition")
FIRST_NAMESPACES = ("default", "kube-system")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class FakeCluster:
    """One cluster. `seed` decides its UIDs, and its clock ticks a second with each write, so that runs repeat."""

    def __init__(self, seed: int = 0) -> None:
        self.kinds = Kinds()
        self.store = Store()
        self._random = Random(seed)
        self._ticks = itertools.count()
        for name in FIRST_NAMESPACES:
            self.create(self._kind(NAMESPACE), "", {"metadata": {"name": name}})

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        found = self.store.get(kind.group_kind, (namespace, name))
        if found is None:
            raise not_found(rules.plural(kind), name)
        return found

    def create(self, kind: Kind, namespace: str, body: Json, *, manager: str = "test", dry_run: bool = False) -> Json:
        """POST; metadata.generateName is heeded."""
        body = rules.identified(kind, namespace, body)
        metadata = body["metadata"]
        if not metadata["name"] and metadata.get("generateName"):
            metadata["name"] = f"{metadata['generateName']}{self._random.getrandbits(25):05x}"
        if self.store.get(kind.group_kind, (namespace, metadata["name"])) is not None:
            raise Refusal(409, "AlreadyExists", f'{rules.plural(kind)} "{metadata["name"]}" already exists')
        new = self._born(kind, namespace, body)
        who = ssa.Manager(manager, "Update", kind.resource.api_version)
        managers = ssa.update({}, new, who) if kind.accounted else {}
        return self._commit(kind, None, new, managers, dry_run=dry_run)

    def update(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        body: Json,
        *,
        manager: str = "test",
        subresource: str = "",
        dry_run: bool = False,
    ) -> Json:
        """PUT; a body without a resourceVersion replaces whatever there is."""
        live = self.get(kind, namespace, name)
        body = rules.identified(kind, namespace, body, name)
        rules.check_preconditions(kind, live, body["metadata"])
        new = rules.evolved(kind, live, body, subresource)
        who = ssa.Manager(manager, "Update", kind.resource.api_version, subresource)
        return self._commit(kind, live, new, ssa.update(live, new, who), dry_run=dry_run)

    def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        patch: Any,
        *,
        manager: str = "test",
        subresource: str = "",
        dry_run: bool = False,
    ) -> Json:
        """PATCH: a dict is a merge patch (RFC 7386), a list a JSON patch (RFC 6902)."""
        live = self.get(kind, namespace, name)
        if isinstance(patch, list):
            try:
                body = jsonpatch.apply_patch(_decode(_encode(live)), patch, in_place=True)  # not deepcopy: it is slow
            except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
                raise Refusal(422, "Invalid", f"the server rejected our request: {error}") from error
        else:
            body = rules.merge_patch(live, patch)
        return self.update(kind, namespace, name, body, manager=manager, subresource=subresource, dry_run=dry_run)

    def apply(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        body: Json,
        *,
        manager: str,
        force: bool = False,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Json:
        """Server-side apply: creates or changes. Raises Refusal with FieldManagerConflict causes without `force`."""
        body = rules.identified(kind, namespace, body, name)
        if body["metadata"].get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        applied = rules.applicable(kind, body, subresource)
        who = ssa.Manager(manager, "Apply", kind.resource.api_version, subresource)
        live = self.store.get(kind.group_kind, (namespace, name))
        if live is None:
            if subresource:
                raise not_found(rules.plural(kind), name)
            if body["metadata"].get("uid"):
                why = f"Precondition failed: UID in precondition: {body['metadata']['uid']}, UID in object meta: "
                raise changed(rules.plural(kind), name, why)
            new = self._born(kind, namespace, applied)
            return self._commit(kind, None, new, ssa.apply({}, applied, who, force=True)[1], dry_run=dry_run)
        rules.check_preconditions(kind, live, body["metadata"])
        merged, managers = ssa.apply(live, applied, who, force=force)
        return self._commit(kind, live, rules.evolved(kind, live, merged, subresource), managers, dry_run=dry_run)

    def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        preconditions: Mapping[str, str] | None = None,
        grace: int | None = None,
        dry_run: bool = False,
    ) -> Json | None:
        """DELETE: None when it is gone, else the object, which stays for its finalizers or its grace period."""
        live = self.get(kind, namespace, name)
        rules.check_preconditions(kind, live, preconditions or {})
        metadata = live["metadata"]
        grace = kind.grace if grace is None else grace
        stays = bool(metadata.get("finalizers")) or grace > 0 or self._has_content(kind, name)
        if not stays:
            if not dry_run:
                self._drop(kind, live)
            return None
        if metadata.get("deletionTimestamp") and grace >= int(metadata.get("deletionGracePeriodSeconds", 0)):
            return live
        marks = {"deletionTimestamp": self._now(grace), "deletionGracePeriodSeconds": grace}
        dying = {**live, "metadata": {**metadata, **marks, "generation": int(metadata.get("generation", 0)) + 1}}
        if kind.group_kind == NAMESPACE:
            dying["status"] = {"phase": "Terminating"}
        if dry_run:
            return dying
        self.store.put(kind.group_kind, (namespace, name), dying)
        if kind.group_kind == NAMESPACE:
            self._clear(name)
        return self.store.get(kind.group_kind, (namespace, name))

    def reap(self) -> None:
        """What kubelets do: what only waits for its grace period goes."""
        for group_kind in self.store.kinds():
            for body in list(self.store.all(group_kind).values()):
                metadata = body["metadata"]
                if metadata.get("deletionGracePeriodSeconds") and not metadata.get("finalizers"):
                    self._drop(self._kind(group_kind), body)

    # Inside

    def _kind(self, group_kind: GroupKind) -> Kind:
        found = self.kinds.of(group_kind)
        if found is None:
            raise not_found(group_kind.kind, "")
        return found

    def _now(self, later: int = 0) -> str:
        return (EPOCH + timedelta(seconds=next(self._ticks) + later)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _born(self, kind: Kind, namespace: str, body: Json) -> Json:
        """`body` as a new object."""
        if kind.resource.namespaced:
            home = self.store.get(NAMESPACE, ("", namespace))
            if home is None:
                raise not_found("namespaces", namespace)
            if home["metadata"].get("deletionTimestamp"):
                cause = {"reason": "NamespaceTerminating", "message": f"namespace {namespace} is being terminated"}
                name = body["metadata"]["name"]
                message = f'{rules.plural(kind)} "{name}" is forbidden: unable to create new content in namespace '
                raise Refusal(403, "Forbidden", f"{message}{namespace} because it is being terminated", causes=[cause])
        given = {name: value for name, value in body["metadata"].items() if name not in rules.KEPT}
        own = {
            "uid": str(uuid.UUID(int=self._random.getrandbits(128), version=4)),
            "creationTimestamp": self._now(),
            "generation": 1,
        }
        new = rules.tidy(kind, {**body, "metadata": {**given, **own}})
        if kind.status:
            new.pop("status", None)
        if kind.group_kind == NAMESPACE:
            new["status"] = {"phase": "Active"}
        return new

    def _commit(self, kind: Kind, live: Json | None, new: Json, managers: ssa.Managers, *, dry_run: bool) -> Json:
        """Store `new`; what changes nothing leaves the object, and its resourceVersion, as it is."""
        if live is not None and rules.unmanaged(new) == rules.unmanaged(live) and managers == ssa.read_managers(live):
            return live
        fields = ssa.write_managers(managers, live or {}, self._now())
        new = {**new, "metadata": {**new["metadata"], "managedFields": fields}}
        if dry_run:
            return new
        metadata = new["metadata"]
        name = (metadata.get("namespace", ""), metadata["name"])
        waits = metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds")
        if metadata.get("deletionTimestamp") and not waits and not self._has_content(kind, metadata["name"]):
            self.store.put(kind.group_kind, name, new)
            return self._drop(kind, new)
        if kind.group_kind == CRD:
            new = self._established(new)
        return self.store.put(kind.group_kind, name, new)

    def _drop(self, kind: Kind, body: Json) -> Json:
        metadata = body["metadata"]
        namespace = metadata.get("namespace", "")
        last = self.store.drop(kind.group_kind, (namespace, metadata["name"]))
        if kind.group_kind == CRD:
            self._retire(body)
        home = self.store.get(NAMESPACE, ("", namespace)) if namespace else None
        if home is not None and home["metadata"].get("deletionTimestamp") and not self._content(namespace):
            self._drop(self._kind(NAMESPACE), home)
        return last

    # Namespaces and CRDs: the two kinds that an API server itself understands

    def _has_content(self, kind: Kind, name: str) -> bool:
        return kind.group_kind == NAMESPACE and bool(self._content(name))

    def _content(self, namespace: str) -> list[tuple[Kind, str]]:
        found = ((kind, name) for kind in self.store.kinds() for name in self.store.all(kind) if name[0] == namespace)
        return [(self._kind(kind), name) for kind, (_, name) in found]

    def _clear(self, namespace: str) -> None:
        for kind, name in self._content(namespace):
            self.delete(kind, namespace, name, grace=0)

    def _established(self, crd: Json) -> Json:
        for kind in of_crd(crd):
            self.kinds.add(kind)
        conditions = [{"type": each, "status": "True"} for each in ("NamesAccepted", "Established")]
        names = crd["spec"]["names"]
        return {**crd, "status": {**crd.get("status", {}), "conditions": conditions, "acceptedNames": names}}

    def _retire(self, crd: Json) -> None:
        """The objects of a deleted CRD go with it, finalizers or not."""
        group_kind = GroupKind(crd["spec"]["group"], crd["spec"]["names"]["kind"])
        for name in list(self.store.all(group_kind)):
            self.store.drop(group_kind, name)
        self.kinds.remove(group_kind)
        self.store.tell(group_kind)
