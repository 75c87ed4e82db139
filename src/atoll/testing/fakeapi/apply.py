"""Server-side apply: who owns which field, conflicts, and what goes when it isn't applied any more.

Follows structured-merge-diff's `merge.Updater`: merge, prune what the manager applied before and nobody else owns, then
compare with the live object. Managers are the entries of metadata.managedFields.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from atoll.api.objects import Json
from atoll.testing.fakeapi.fieldsets import Fields, Path, compare, decode, encode, flatten, shown
from atoll.testing.fakeapi.fieldsets import applied as claimed
from atoll.testing.fakeapi.merging import merge, remove
from atoll.testing.fakeapi.refusals import Refusal


class Manager(NamedTuple):
    """Whose entry in managedFields it is; `operation` is Apply or Update."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""


Managers = dict[Manager, Fields]
BEFORE_FIRST_APPLY = "before-first-apply"
"""Owner of all that an object had which nobody kept account of."""


def read_managers(body: Json) -> Managers:
    managers: Managers = {}
    for entry in body.get("metadata", {}).get("managedFields") or ():
        if not entry:
            continue  # [{}] is how a client resets it
        who = Manager(entry["manager"], entry["operation"], entry["apiVersion"], entry.get("subresource", ""))
        managers[who] = managers.get(who, frozenset()) | decode(entry.get("fieldsV1") or {})
    return managers


def write_managers(managers: Managers, before: Json, now: str) -> list[Json]:
    """managedFields; an entry that didn't change stays as it is."""
    old = read_managers(before)
    known = {
        Manager(e["manager"], e["operation"], e["apiVersion"], e.get("subresource", "")): e
        for e in before.get("metadata", {}).get("managedFields") or ()
    }
    entries = []
    for who, fields in sorted(managers.items(), key=lambda item: (item[0].operation, item[0])):
        if who in known and old.get(who) == fields:
            entries.append({"time": now, **known[who]})
            continue
        entry: Json = {
            "manager": who.name,
            "operation": who.operation,
            "apiVersion": who.api_version,
            "time": now,
            "fieldsType": "FieldsV1",
            "fieldsV1": encode(fields),
        }
        entries.append(entry | ({"subresource": who.subresource} if who.subresource else {}))
    return entries


def apply(live: Json, applied: Json, who: Manager, *, force: bool) -> tuple[Json, Managers]:
    """`live` after `who` applied `applied`, and who owns what then. Raises Refusal for conflicts without `force`."""
    managers = read_managers(live)
    if live and not managers:
        managers[Manager(BEFORE_FIRST_APPLY, "Update", who.api_version)] = frozenset(flatten(live))
    before = managers.get(who, frozenset())
    managers[who] = claimed(applied)
    merged = merge(live, applied)
    others = frozenset[Path]().union(*managers.values())
    pruned = remove(merged, _prunable(before - managers[who], others)) or {}
    written, removed = compare(flatten(live), flatten(pruned))
    return pruned, _settle(managers, live, written, removed, who, force=force)


def update(live: Json, new: Json, who: Manager) -> Managers:
    """Who owns what after `who` wrote `new` over `live` by a create, update or patch."""
    if live and not read_managers(live):
        return {}  # nobody keeps account until the first apply
    managers = read_managers(new) if new.get("metadata", {}).get("managedFields") is not None else read_managers(live)
    before = managers.get(who, frozenset())
    written, removed = compare(flatten(live), flatten(new))
    managers = _settle(managers, live, written, removed, who, force=True)
    managers[who] = (before | written) - removed
    return {manager: fields for manager, fields in managers.items() if fields}


def _prunable(dropped: Fields, owned: Fields) -> Fields:
    """Of what a manager dropped: what nobody owns, an item of a list only when nobody owns anything in it."""
    free = dropped - owned
    held = {path[:length] for path in owned for length in range(1, len(path))}
    return frozenset(path for path in free if path not in held and not _is_key(path, held))


def _is_key(path: Path, held: set[Path]) -> bool:
    """Whether `path` is a key field of an item that stays for somebody else."""
    parent = path[:-1]
    return bool(parent) and parent[-1].startswith("k:") and parent in held and f'"{path[-1][2:]}":' in parent[-1]


def _settle(managers: Managers, live: Json, written: Fields, removed: Fields, who: Manager, *, force: bool) -> Managers:
    """Take from the others what `who` wrote into `live`; what was removed is nobody's any more."""
    conflicts = {other: clash for other, fields in managers.items() if other != who and (clash := fields & written)}
    if conflicts and not force:
        raise conflict(conflicts, _times(live))
    settled = {
        other: fields if other == who else fields - conflicts.get(other, frozenset()) - removed
        for other, fields in managers.items()
    }
    return {manager: fields for manager, fields in settled.items() if fields}


def _times(live: Json) -> Mapping[str, str]:
    entries: Iterable[dict[str, Any]] = live.get("metadata", {}).get("managedFields") or ()
    return {entry["manager"]: entry.get("time", "") for entry in entries if entry["operation"] == "Update"}


def conflict(conflicts: Mapping[Manager, Fields], times: Mapping[str, str]) -> Refusal:
    """A 409 as kubectl knows it, one cause for each field and manager."""
    causes = []
    for other, fields in sorted(conflicts.items()):
        at = f" at {times[other.name]}" if other.operation == "Update" and times.get(other.name) else ""
        part = f' with subresource "{other.subresource}"' if other.subresource else ""
        message = f'conflict with "{other.name}"{part} using {other.api_version}{at}'
        causes += [
            {"reason": "FieldManagerConflict", "message": message, "field": shown(path)} for path in sorted(fields)
        ]
    count = f"{len(causes)} conflict{'s' if len(causes) > 1 else ''}"
    told = "; ".join(f"{cause['message']}: {cause['field']}" for cause in causes)
    return Refusal(409, "Conflict", f"Apply failed with {count}: {told}", causes=causes)
