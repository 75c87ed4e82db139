"""Atoll's CustomResourceDefinitions on a cluster: put there, upgraded, and never set back without being told to."""

import asyncio
import re
import time
from collections.abc import Iterable

import msgspec

from atoll import __version__
from atoll.api.crds import crds
from atoll.api.names import FIELD_MANAGER, GROUP
from atoll.api.objects import Json
from atoll.install.layout import PART_OF, VERSION_LABEL
from atoll.kube.client import Client
from atoll.kube.errors import KubeError, NotFound, Unavailable
from atoll.kube.objects import Object
from atoll.kube.resources import CRDS

ESTABLISHED_IN = 30.0


class InstallError(Exception):
    """It can't be installed or removed so. `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class _Entry(msgspec.Struct):
    manager: str = ""
    operation: str = ""


class _Metadata(msgspec.Struct):
    managed_fields: tuple[_Entry, ...] = msgspec.field(default=(), name="managedFields")


class _Managed(msgspec.Struct):
    metadata: _Metadata


def definitions() -> list[Json]:
    """Atoll's CRDs, labelled with the version that they are of."""
    return [_labelled(crd) for crd in crds()]


def _labelled(crd: Json) -> Json:
    metadata = {**crd["metadata"], "labels": {PART_OF: "atoll", VERSION_LABEL: __version__}}
    return {**crd, "metadata": metadata}


async def living(client: Client) -> dict[str, Object]:
    """Those of Atoll's CRDs that are there, by name, with their managedFields."""
    found = {}
    for crd in crds():
        name = crd["metadata"]["name"]
        try:
            found[name] = await client.get(CRDS, name, managed_fields=True)
        except NotFound:
            continue
    return found


def foreign(live: Object) -> bool:
    """Whether it is another project's kind, put there by somebody else: ClusterProfile, which many tools bring."""
    if live.name.endswith(f".{GROUP}"):
        return False
    entries = live.read(_Managed).metadata.managed_fields
    return not any(e.manager == FIELD_MANAGER and e.operation == "Apply" for e in entries)


def check_upgrade(live: Object, wanted: Json, *, downgrade: bool = False) -> None:
    """Raises InstallError when `wanted` would set `live` back; with `downgrade` only when objects would be lost by it.

    Objects are stored in the versions that `status.storedVersions` names: one that `wanted` doesn't know could not be
    read any more. An older storage version, or one of an older Atoll, would drop fields that the newer one wrote.
    """
    body = live.body()
    known = [str(v["name"]) for v in wanted["spec"]["versions"]]
    stored = [str(v) for v in (body.get("status") or {}).get("storedVersions") or ()]
    if unknown := sorted(set(stored) - set(known), key=maturity):
        raise InstallError(
            f"{live.name} has objects stored as {', '.join(unknown)}, which Atoll {__version__} does not know",
            "a newer Atoll was here: install that one, or a later one",
        )
    if downgrade:
        return
    before, after = _storage(body), _storage(wanted)
    if before and maturity(before) > maturity(after):
        raise InstallError(
            f"{live.name} is stored as {before} now, and would be as {after}, which is older",
            "a newer Atoll was here; --allow-downgrade goes back all the same, and may lose fields",
        )
    version = live.labels.get(VERSION_LABEL, "")
    if live.labels.get(PART_OF) == "atoll" and release(version) > release(__version__):
        raise InstallError(
            f"{live.name} was installed by Atoll {version}, this is {__version__}",
            "--allow-downgrade goes back all the same, and may lose fields",
        )


async def apply_definitions(client: Client, wanted: Iterable[Json], *, dry_run: bool = False) -> list[Object]:
    """Apply CRDs and, unless it is a dry run, wait until they are served. Users' edits of them are undone."""
    applied = [
        await client.apply(CRDS, crd, name=crd["metadata"]["name"], manager=FIELD_MANAGER, force=True, dry_run=dry_run)
        for crd in wanted
    ]
    give_up_at = time.monotonic() + ESTABLISHED_IN
    for crd in () if dry_run else applied:
        while not await served(client, crd.name):
            if time.monotonic() > give_up_at:
                raise KubeError(f"{crd.name} is not served after {ESTABLISHED_IN:.0f} s")
            await asyncio.sleep(0.1)
    return applied


async def served(client: Client, name: str) -> bool:
    """Whether the kind of CRD `name` can be used: established, and past the moment in which the server answers 503."""
    body = (await client.get(CRDS, name)).body()
    if not _established(body):
        return False
    spec = body["spec"]
    try:
        await client.request(
            "GET", f"/apis/{spec['group']}/{_storage(body)}/{spec['names']['plural']}", params={"limit": "1"}
        )
    except (NotFound, Unavailable):
        return False
    return True


def maturity(version: str) -> tuple[int, int, int]:
    """Kubernetes' order of API versions: v1alpha1 < v1beta1 < v1 < v2alpha1 for us, since newer is what counts."""
    match = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if match is None:
        return (0, 0, 0)
    stage = {"alpha": 0, "beta": 1, None: 2}[match[2]]
    return int(match[1]), stage, int(match[3] or 0)


def release(version: str) -> tuple[int, ...]:
    """`0.10.1` as numbers, to be compared; what comes before it, as 0.10.1rc1, counts as it."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _storage(crd: Json) -> str:
    return next((str(v["name"]) for v in crd["spec"]["versions"] if v.get("storage")), "")


def _established(crd: Json) -> bool:
    conditions = (crd.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
