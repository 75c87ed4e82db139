"""The rules that hold for every write, as functions of the live and the new object."""

from collections.abc import Mapping
from typing import Any

from atoll.api.objects import Json
from atoll.testing.fakeapi.kinds import Kind
from atoll.testing.fakeapi.refusals import MODIFIED, Refusal, bad_request, changed

KEPT = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion")
"""Metadata that writers cannot change."""
NOT_DESIRED = frozenset({"metadata", "status", "apiVersion", "kind"})
"""What doesn't count for metadata.generation."""


def plural(kind: Kind) -> str:
    """As messages name a kind: `deployments.apps`."""
    resource = kind.resource
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def identified(kind: Kind, namespace: str, body: Json, name: str = "") -> Json:
    """`body` with its kind, name and namespace, which must be those of the path."""
    if not isinstance(body, dict):
        raise bad_request("the object provided is not an object")
    metadata = body.get("metadata") or {}
    resource = kind.resource
    if body.get("kind", resource.kind) != resource.kind or body.get("apiVersion", resource.api_version) != (
        resource.api_version
    ):
        raise bad_request(f"{body.get('apiVersion')}/{body.get('kind')} is not what this path serves")
    if metadata.get("namespace") not in {None, "", namespace}:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    own = metadata.get("name") or name
    if name and own != name:
        raise bad_request(f"the name of the object ({own}) does not match the name on the URL ({name})")
    place = {"name": own} | ({"namespace": namespace} if resource.namespaced else {})
    return {**body, "apiVersion": resource.api_version, "kind": resource.kind, "metadata": {**metadata, **place}}


def check_preconditions(kind: Kind, live: Json, wanted: Mapping[str, Any]) -> None:
    """A resourceVersion or UID that was given must be the live object's."""
    metadata = live["metadata"]
    if wanted.get("uid") and wanted["uid"] != metadata["uid"]:
        why = f"Precondition failed: UID in precondition: {wanted['uid']}, UID in object meta: {metadata['uid']}"
        raise changed(plural(kind), metadata["name"], why)
    if wanted.get("resourceVersion") and wanted["resourceVersion"] != metadata["resourceVersion"]:
        raise changed(plural(kind), metadata["name"], MODIFIED)


def evolved(kind: Kind, live: Json, body: Json, subresource: str) -> Json:
    """What a write of `body` makes of `live`: identity stays, and main object and status keep out of each other."""
    if subresource == "status":
        new = {**live, "status": body.get("status")} if body.get("status") is not None else _without(live, "status")
    elif kind.status:
        new = _without(body, "status") | ({"status": live["status"]} if "status" in live else {})
    else:
        new = body
    metadata = {**(live if subresource else body)["metadata"]}
    for field in KEPT:
        metadata.pop(field, None)
        if field in live["metadata"]:
            metadata[field] = live["metadata"][field]
    if metadata.get("deletionTimestamp"):
        added = set(metadata.get("finalizers") or ()) - set(live["metadata"].get("finalizers") or ())
        if added:
            message = "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted"
            raise Refusal(422, "Invalid", f'{plural(kind)} "{metadata["name"]}" is invalid: {message}')
    new = {**new, "metadata": _tidy(metadata)}
    new = tidy(kind, new)
    if desired(new) != desired(live):
        metadata["generation"] = int(live["metadata"].get("generation", 0)) + 1
        new["metadata"] = _tidy(metadata)
    return new


def desired(body: Json) -> Json:
    return {name: value for name, value in body.items() if name not in NOT_DESIRED}


def applicable(kind: Kind, body: Json, subresource: str) -> Json:
    """The part of an applied configuration that this path takes: the status only at its own."""
    if subresource == "status":
        return {name: value for name, value in body.items() if name != "spec"}
    return _without(body, "status") if kind.status else body


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def unmanaged(body: Json) -> Json:
    """`body` without managedFields."""
    if "managedFields" not in body["metadata"]:
        return body
    return {**body, "metadata": _without(body["metadata"], "managedFields")}


OFTEN_EMPTY = frozenset({"data", "binaryData", "labels", "annotations", "nodeSelector", "matchLabels"})


def tidy(kind: Kind, body: Json) -> Json:
    """A built-in object as Go's encoder leaves it: without empty lists, and without maps that are empty."""
    tidied: Json = _tidied(body) if kind.is_built_in else body
    return tidied


def _tidied(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {}
        for name, inner in value.items():
            if isinstance(inner, dict | list):
                inner = _tidied(inner)
                if not inner and _is_omitted(name, inner):
                    continue
            elif inner is None:
                continue
            kept[name] = inner
        return kept
    return [_tidied(inner) for inner in value] if isinstance(value, list) else value


def _is_omitted(field: str, value: Any) -> bool:
    """Of an empty list or map."""
    return field != "containers" if isinstance(value, list) else field in OFTEN_EMPTY


def _without(body: Json, name: str) -> Json:
    return {key: value for key, value in body.items() if key != name}


def _tidy(metadata: Json) -> Json:
    """Empty lists and maps aren't stored."""
    return {name: value for name, value in metadata.items() if value not in ({}, [], None)}
