"""JSON patches (RFC 6902) on the objects that a target names. They change an object, never which object it is."""

from typing import Any

import jsonpatch
import msgspec
from jsonpointer import JsonPointer, JsonPointerException
from msgspec import UNSET

from atoll.api.differences import Patch, Target
from atoll.api.editing import with_body
from atoll.api.objects import Json, Manifest, identify
from atoll.plan.model import RefusedError

MOST_BYTES = 1536 * 1024
"""Of an object: no API server takes more. A copy within a copy doubles each time, so it is looked at before."""


def meant(target: Target, manifest: Manifest) -> bool:
    """Whether all that `target` gives matches the object."""
    return target.means(manifest.api_version, manifest.id)


def patched(manifest: Manifest, patch: Patch, at: str) -> Manifest:
    """The object after one operation. Raises `RefusedError` when it fails, or makes another object of it."""
    body = manifest.body
    try:
        if patch.op == "copy":
            _check_size(manifest, body, patch, at)
        body = jsonpatch.apply_patch(_opened(body, patch.path, patch.from_), [_operation(patch)], in_place=True)
    except jsonpatch.JsonPatchTestFailed:
        raise RefusedError(f"{at}.value", f"test failed: {manifest.id} has another value at {patch.path}") from None
    except (jsonpatch.JsonPatchException, JsonPointerException, TypeError, ValueError, KeyError, IndexError) as error:
        raise RefusedError(f"{at}.path", f"{patch.op} {patch.path} fails on {manifest.id}: {_words(error)}") from error
    _check_identity(manifest, body, at)
    return with_body(manifest, body)


def _opened(body: Json, *pointers: str) -> Json:
    """`body` with copies of all that is on the way to where `pointers` lead: these may be changed, the rest is shared.

    A copy of the whole for each of many patches of a large object would take minutes.
    """
    whole = body.copy()
    for pointer in pointers:
        inside: Any = whole
        for part in JsonPointer(pointer).parts:
            place = int(part) if isinstance(inside, list) and part.isdecimal() else part
            try:
                within = inside[place]
            except (KeyError, IndexError, TypeError):  # nothing there: whoever carries it out says so
                break
            if not isinstance(within, dict | list):
                break
            inside[place] = inside = within.copy()
    return whole


def _check_size(manifest: Manifest, body: Json, patch: Patch, at: str) -> None:
    copied = JsonPointer(patch.from_).resolve(body)
    if len(msgspec.json.encode(body)) + len(msgspec.json.encode(copied)) > MOST_BYTES:
        raise RefusedError(f"{at}.path", f"copy {patch.from_} makes {manifest.id} larger than any API server takes")


def _operation(patch: Patch) -> dict[str, Any]:
    operation: dict[str, Any] = {"op": patch.op, "path": patch.path}
    if patch.value is not UNSET:
        operation["value"] = patch.value
    if patch.from_:
        operation["from"] = patch.from_
    return operation


def _check_identity(manifest: Manifest, body: Any, at: str) -> None:
    """A patch that renamed an object would leave the application's reach, and the old object behind."""
    whole = isinstance(body, dict) and isinstance(body.get("metadata"), dict)
    if not whole or identify(body) != manifest.id or body.get("apiVersion") != manifest.body.get("apiVersion"):
        what = "apiVersion, kind, metadata.name or metadata.namespace"
        raise RefusedError(f"{at}.path", f"a patch may not change {what} of {manifest.id}")


def _words(error: Exception) -> str:
    """The library's text; a KeyError's is only the quoted key."""
    return f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
