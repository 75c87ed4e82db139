"""One run of `atoll migrate kubefed`: reads all, judges all, then goes namespace by namespace."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from atoll.api.objects import Json
from atoll.cli.exits import CommandError
from atoll.cli.migration import clusters
from atoll.cli.migration.clusters import Joining
from atoll.cli.migration.going import PATIENCE, Going
from atoll.cli.migration.judging import Judged, judge
from atoll.cli.migration.originals import Original
from atoll.cli.migration.reading import State, read_state
from atoll.cli.migration.report import Report, Row
from atoll.cli.migration.returning import Returning
from atoll.cli.session import Session
from atoll.intake.kubefed.migration import Finding, unused
from atoll.kube.client import Client
from atoll.kube.errors import KubeError

T = TypeVar("T")
AT_ONCE = 8
REACHED_WITHIN = 30.0
"""Seconds in which a cluster that is new to Atoll may be reached."""


class Run:
    """`say` is told of each object that is done. `namespaces`: only these; all when none is named.

    patience: seconds in which KubeFed lets a federated object go, where it works.
    """

    def __init__(
        self,
        session: Session,
        hub: Client,
        *,
        control_namespace: str,
        home: str,
        namespaces: Sequence[str],
        timeout: float,
        say: Callable[[str], None],
        patience: float = PATIENCE,
    ) -> None:
        self._patience = patience
        self._session = session
        self._hub = hub
        self._control_namespace = control_namespace
        self._home = home
        self._namespaces = namespaces
        self._timeout = timeout
        self._say = say

    # There

    async def there(self, *, apply: bool, accept: bool) -> Report:
        """Raises CommandError and KubeError before anything is done; what stops an object later is in the report."""
        state = await self._state()
        joinings = await clusters.joinings(self._hub, state, state.settings)
        if apply:
            await self._join(joinings)
        wanted = [found for found in state.objects if self._meant(found.federated.metadata.namespace)]
        lost = frozenset(joining.name for joining in joinings if joining.refused)
        judged = await judge(self._session, self._hub, state, wanted, accept=accept, lost=lost)
        failed: dict[str, str] = {}
        if apply:
            failed = await self._go(judged, state)
        rows = tuple(_row(one, apply=apply, failed=failed) for one in judged)
        return Report(rows, _cluster_rows(joinings, apply=apply), _others(state, judged), _lines(failed))

    async def _state(self) -> State:
        return await read_state(self._hub, self._control_namespace, self._home)

    def _meant(self, namespace: str) -> bool:
        return not self._namespaces or namespace in self._namespaces

    async def _join(self, joinings: Iterable[Joining]) -> None:
        new = [joining for joining in joinings if joining.cluster is not None]
        for joining in new:
            await clusters.join(self._hub, joining)
            self._say(f"KubeFedCluster {joining.name} is cluster {joining.name}")
        await clusters.reached(self._hub, [joining.name for joining in new], REACHED_WITHIN)

    async def _go(self, judged: Sequence[Judged], state: State) -> dict[str, str]:
        """Why an object was not finished, by object."""
        going = Going(self._hub, self._say, timeout=self._timeout, patience=self._patience)
        failed: dict[str, str] = {}
        for namespace in sorted({one.found.federated.metadata.namespace for one in judged}):
            here = [one for one in judged if one.found.federated.metadata.namespace == namespace]
            objects = [one for one in here if not one.found.of_namespace and not one.refused]
            failed |= await _each(objects, going.go, lambda one: one.found.about)
            left = [one for one in here if not one.found.of_namespace and (one.refused or one.found.about in failed)]
            if left or _unread(state, namespace):
                continue  # its placement is still needed
            spaces = [one.found for one in here if one.found.of_namespace]
            failed |= await _each(spaces, going.go_namespace, lambda found: found.about)
        return failed

    # Back

    async def back(self, *, apply: bool, discard: bool) -> Report:
        """As `there`, the other way."""
        state = await self._state()
        if not state.control.adopt:
            raise CommandError(
                "KubeFed would not take members' objects back: its KubeFedConfig says adoptResources: Disabled",
                "set spec.syncController.adoptResources to Enabled while you go back",
            )
        kept = [(where, original) for where, original in state.originals if self._meant(original.namespace)]
        returning = Returning(self._hub, self._say, timeout=self._timeout, discard=discard)
        whys = {_name(original): await returning.may_go(original, where) for where, original in kept}
        failed: dict[str, str] = {}
        if apply:
            failed = await self._return(returning, [(w, o) for w, o in kept if not whys[_name(o)]])
        rows = []
        for _, original in kept:
            name, why = _name(original), whys[_name(original)]
            application = original.application["metadata"]["name"] if original.application else ""
            done = "left out" if why or name in failed else "back" if apply else "ready"
            found = (Finding(name, "Application", why, refuses=True),) if why else ()
            rows.append(Row(name, done, application, findings=found))
        return Report(tuple(rows), failed=_lines(failed))

    async def _return(self, returning: Returning, kept: Sequence[tuple[str, Original]]) -> dict[str, str]:
        spaces = [pair for pair in kept if pair[1].application is None]
        objects = [pair for pair in kept if pair[1].application is not None]

        async def make(pair: tuple[str, Original]) -> None:
            await returning.make_namespace(pair[1])

        async def go(pair: tuple[str, Original]) -> None:
            await returning.go(pair[1], pair[0])

        failed = await _each(spaces, make, lambda pair: _name(pair[1]))
        broken = {original.namespace for _, original in spaces if _name(original) in failed}
        objects = [pair for pair in objects if pair[1].namespace not in broken]
        failed |= await _each(objects, go, lambda pair: _name(pair[1]))
        done = [pair for pair in spaces if _name(pair[1]) not in failed]
        return failed | await _each(done, go, lambda pair: _name(pair[1]))


async def _each(items: Sequence[T], work: Callable[[T], Awaitable[None]], name: Callable[[T], str]) -> dict[str, str]:
    """`work` on each, some at a time; why it failed, by name. One that fails stops no other."""
    turn = asyncio.Semaphore(AT_ONCE)
    failed: dict[str, str] = {}

    async def one(item: T) -> None:
        async with turn:
            try:
                await work(item)
            except (CommandError, KubeError) as error:
                hint = f" ({error.hint})" if isinstance(error, CommandError) and error.hint else ""
                failed[name(item)] = f"{error}{hint}"

    async with asyncio.TaskGroup() as group:
        for item in items:
            group.create_task(one(item))
    return failed


def _name(original: Original) -> str:
    return f"{original.kind} {original.namespace + '/' if original.namespace else ''}{original.name}"


def _unread(state: State, namespace: str) -> bool:
    return any(f.refuses and f" {namespace}/" in f.object for f in state.findings)


def _row(judged: Judged, *, apply: bool, failed: dict[str, str]) -> Row:
    about = judged.found.about
    left_out = judged.refused or about in failed
    original = judged.found.original
    if left_out:
        state = "left out"
    elif apply or (original is not None and original.done):
        state = "migrated"
    else:
        state = "ready"
    application: Json | None = judged.application
    name = str(application["metadata"]["name"]) if application is not None else ""
    return Row(about, state, name, judged.clusters, judged.findings, judged.changes, application)


def _cluster_rows(joinings: Sequence[Joining], *, apply: bool) -> tuple[Row, ...]:
    rows = []
    for joining in joinings:
        done = "left out" if joining.refused else "migrated" if joining.there or apply else "ready"
        rows.append(Row(f"KubeFedCluster {joining.name}", done, findings=joining.findings))
    return tuple(rows)


def _others(state: State, judged: Sequence[Judged]) -> tuple[Finding, ...]:
    used = [f"{p.namespace}/{p.name}" for one in judged if (p := one.found.preference) is not None]
    return (*state.findings, *unused(state.preferences, used))


def _lines(failed: dict[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}: {why}" for name, why in failed.items())
