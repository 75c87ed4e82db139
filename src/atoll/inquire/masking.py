"""Secrets' values, made unreadable but comparable: a changed value still shows as changed. Pure."""

import hashlib
from typing import Any

from atoll.api.objects import Json

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def masked(body: Json, salt: bytes) -> Json:
    """A Secret without its values, also in annotations that repeat it; any other object but for those is as it is.

    `salt` is random for each run, so that equal values look equal in one diff and nothing can be guessed from them.
    """
    metadata: dict[str, Any] = dict(body.get("metadata") or {})
    annotations = dict(metadata.get("annotations") or {})
    secret = body.get("kind") == "Secret" and body.get("apiVersion") == "v1"
    if secret:
        annotations = {k: _hide(v, salt) if _could_repeat(k, v) else v for k, v in annotations.items()}
    elif LAST_APPLIED in annotations and '"kind":"Secret"' in annotations[LAST_APPLIED].replace(" ", ""):
        annotations[LAST_APPLIED] = _hide(annotations[LAST_APPLIED], salt)
    if annotations:
        metadata["annotations"] = annotations
    result = {**body, "metadata": metadata} if metadata else dict(body)
    if secret:
        for part in ("data", "stringData"):
            if isinstance(values := body.get(part), dict):
                result[part] = {key: _hide(value, salt) for key, value in values.items()}
    return result


def _could_repeat(key: str, value: object) -> bool:
    """An annotation that may hold the object once more, or a part of it."""
    return key == LAST_APPLIED or "{" in str(value) or len(str(value)) > 64


def _hide(value: object, salt: bytes) -> str:
    mark = hashlib.blake2b(str(value).encode(), key=salt, digest_size=4).hexdigest()
    return f"*** ({mark})"
