"""Which clusters may change now. Pure: what time and people have done is in the `Progress`.

A cluster that has nothing yet is never held up by the number that may change at once: it can't become unavailable.
Until its stage is reached it gets what was stable before. One that has an older revision keeps it, repairs included.
"""

from collections.abc import Iterable

from atoll.api.durations import seconds
from atoll.api.intent import Content, Intent
from atoll.api.rollout import Phase, Rollout, RolloutStatus, StageState, StageStatus
from atoll.api.times import format_time, parse_time
from atoll.plan.model import Plan, Snapshot
from atoll.plan.progress import Course, Progress
from atoll.plan.stages import Step, quiet, steps

PATIENCE = 10.0
"""Seconds that a changed cluster may be Degraded, or refused, before that counts: some of it passes by itself."""
DEFAULT = Rollout()
WELL = frozenset({"Healthy", "Suspended"})
MOST_NAMED = 16


def needed(intent: Intent, progress: Progress) -> bool:
    """Whether there is anything to go step by step: a change of something, or stages that were asked for."""
    if intent.rollout is not None and intent.rollout.stages:
        return True
    return progress.last is not None or bool(progress.before)


def rollout(intent: Intent, decided: Plan, progress: Progress, fleet: Snapshot) -> Course:
    """The revision of each cluster that `decided` places the application on."""
    return _Walk(intent, decided, progress, fleet).course()


def content_at(revision: int, progress: Progress) -> Content | None:
    """What a cluster with this sequence number has; None when that isn't known."""
    last = progress.last
    if last is not None and last.back and last.revision == progress.target and revision >= last.back:
        return progress.former(last.stable)
    if revision >= progress.target:
        return progress.content
    for began, former in progress.formers.items():
        if began <= revision <= former.last:
            return former.content
    return None


class _Walk:
    """One decision. `self.assigned` begins with what each cluster has, and is raised where it may change."""

    def __init__(self, intent: Intent, decided: Plan, progress: Progress, fleet: Snapshot) -> None:
        self.now = fleet.now
        self.wish = intent.rollout or DEFAULT
        self.strict = intent.rollout is not None
        self.halted = self.wish.paused or intent.suspend
        self.current = intent.revision.sequence
        self.progress = progress
        self.last = _last(progress, self.now)
        self.standing = progress.standing
        self.clusters = sorted(decided.deliveries.keys() | decided.refusals.keys())
        self.unrendered = decided.refusals
        self.wanted = progress.former(self.last.stable) if self.last.back else progress.content
        old = [content_at(self.standing[c].revision, progress) for c in self.clusters if c in self.standing]
        facts = {name: fleet.clusters[name] for name in self.clusters if name in fleet.clusters}
        self.steps, self.refused = steps(self.wish, facts, quiet=quiet(old, progress.content))
        kept = {c: self._kept(c) for c in self.clusters if c not in self.refused}
        self.assigned = {c: number for c, number in kept.items() if number is not None}
        self.moments: list[float] = []
        self.passed_over: list[str] = []

    def _kept(self, cluster: str) -> int | None:
        """The number that a cluster has before anything is decided; of one with nothing, that of what is stable."""
        there = self.standing.get(cluster)
        if there is None:
            return self.last.stable if self.last.stable in self.progress.formers else None
        return self.current if self._has(cluster) else there.revision

    def course(self) -> Course:
        if self.last.back:
            return self._back()
        if self.last.phase == "Complete":
            return self._complete()
        failure = self._failure()
        if failure and self._should_turn_back() and self._can_turn_back():
            return self._course("RollingBack", failure, self.last.stages, turns_back=True)
        rows = self._walk(stopped=bool(failure) or self.halted)
        return self._told(failure, rows)

    # What a cluster is like

    def _has(self, cluster: str) -> bool:
        """Whether the wanted content is there, or on its way: whatever number it came with."""
        there = self.standing.get(cluster)
        if there is None or self.wanted is None:
            return False
        found = content_at(there.revision, self.progress)
        return found is not None and found.digest == self.wanted.digest

    def _done(self, cluster: str, step: Step) -> bool:
        there = self.standing.get(cluster)
        if there is None or not self._has(cluster) or not there.applied or there.health not in WELL or there.away:
            return False
        return not self._later(there.since + step.healthy_for)

    def _lost(self, cluster: str) -> bool:
        """It can't be reached, for so long that it isn't waited for."""
        there = self.standing.get(cluster)
        if there is None or not there.away or self.wish.offline == "wait":
            return False
        if self._later(there.away + seconds(self.wish.offline_after)):
            return False
        self.passed_over.append(cluster)
        return True

    def _beyond_help(self, cluster: str) -> bool:
        """It refuses what it should get, and nobody asked for more than that one sick cluster touches no other."""
        there = self.standing.get(cluster)
        refuses = there is not None and bool(there.trouble) and self._has(cluster)
        return not self.strict and (refuses or cluster in self.unrendered)

    def _later(self, moment: float) -> bool:
        """Whether `moment` is yet to come; then it is one at which to decide again."""
        if moment > self.now:
            self.moments.append(moment)
            return True
        return False

    # What went wrong

    def _failure(self) -> str:
        """Why the change must not go on; "" when nothing speaks against it."""
        if self.progress.aborted:
            return "aborted by a person"
        for cluster in self.clusters:
            if self.strict and cluster in self.unrendered and cluster not in self.refused:
                return f"{cluster}: {self.unrendered[cluster].path}: {self.unrendered[cluster].message}"
            if words := self._ill(cluster):
                return f"{cluster}: {words}"
        return self._unanswered()

    def _ill(self, cluster: str) -> str:
        there = self.standing.get(cluster)
        if there is None or there.revision < self.progress.target or not self._has(cluster) or there.away:
            return ""
        words = (there.trouble if self.strict else "") or ("Degraded" if there.health == "Degraded" else "")
        return words if words and not self._later(there.since + PATIENCE) else ""

    def _unanswered(self) -> str:
        """A check that has been asked for too long without the answer that it wants."""
        for step, row in zip(self.steps, self._rows(), strict=True):
            if step.check is None or row.state != "Verifying":
                continue
            answer = self.progress.answers.get(step.name)
            if (answer is None or not answer.passed) and not self._later(
                parse_time(row.since) + seconds(step.check.within)
            ):
                return f"the check of stage {step.name} did not pass: {answer.message if answer else 'no answer'}"
        return ""

    def _should_turn_back(self) -> bool:
        return self.progress.aborted or self.wish.on_failure == "rollback"

    def _can_turn_back(self) -> bool:
        stable = self.progress.former(self.last.stable)
        return stable is not None and stable.digest != self.progress.content.digest

    # The stages, one after the other

    def _rows(self) -> tuple[StageStatus, ...]:
        known = {row.name: row for row in self.last.stages}
        return tuple(known.get(step.name, StageStatus(step.name)) for step in self.steps)

    def _walk(self, *, stopped: bool) -> tuple[StageStatus, ...]:
        rows: list[StageStatus] = []
        open_ = True
        state: StageState
        for step, before in zip(self.steps, self._rows(), strict=True):
            if before.state == "Done" and open_:
                self._admit(step, stopped=stopped)
                state, words = "Done", ""
            elif not open_:
                state, words = "Pending", ""
            else:
                state, words = self._stage(step, before, stopped=stopped)
            row = self._row(step, before, state, words)
            open_ = open_ and row.state == "Done"
            rows.append(row)
        return tuple(rows)

    def _stage(self, step: Step, before: StageStatus, *, stopped: bool) -> tuple[StageState, str]:
        """The stage whose turn it is: where it stands, and what it waits for."""
        if not step.members:
            return "Done", ""
        if self._unapproved(step, before):
            return "Approval", "a person has to approve: `atoll app approve`"
        self._admit(step, stopped=stopped)
        reached = [c for c in step.members if not self._lost(c)]
        if not reached:
            return "Updating", "none of its clusters can be reached"
        if waiting := [c for c in reached if not self._done(c, step) and not self._beyond_help(c)]:
            return "Updating", self._waits_for(waiting)
        since = parse_time(before.since) if before.state in {"Verifying", "Pausing"} else self.now
        if before.state != "Pausing" and step.check is not None:
            answer = self.progress.answers.get(step.name)
            if answer is None or not answer.passed:
                return "Verifying", answer.message if answer else "its check is being asked"
            since = self.now
        if step.pause and self._later(since + step.pause):
            return "Pausing", f"goes on at {format_time(since + step.pause)}"
        return "Done", ""

    def _unapproved(self, step: Step, before: StageStatus) -> bool:
        """Nobody said yes; where every cluster has the wanted content already, there is nothing to say yes to."""
        asked = step.approval and before.state in {"Pending", "Approval"}
        return asked and step.name not in self.progress.approved and not all(self._has(c) for c in step.members)

    def _admit(self, step: Step, *, stopped: bool) -> None:
        """Give the wanted revision to as many of the stage's clusters as may change now."""
        if stopped:
            return
        given_up = {c for c in step.members if self._lost(c) or self._beyond_help(c)}
        changing = [c for c in step.members if self._has(c) and not self._done(c, step) and c not in given_up]
        proven = any(self._has(c) and self._done(c, step) for c in step.members)
        room = (1 if step.alone and not proven else step.limit) - len(changing)
        for cluster in step.members:
            there = self.standing.get(cluster)
            if cluster in self.unrendered:
                continue
            if there is None:
                self.assigned[cluster] = self.current
            elif not self._has(cluster) and not there.away and room > 0:
                self.assigned[cluster] = self.current
                room -= 1

    def _waits_for(self, waiting: list[str]) -> str:
        first = waiting[0]
        there = self.standing.get(first)
        if there is None or not self._has(first):
            words = "is next" if there is None or not there.away else "can't be reached"
        elif there.away:
            words = "can't be reached"
        else:
            words = there.trouble or (there.health if there.applied else "is being changed")
        more = f", and {len(waiting) - 1} more" if len(waiting) > 1 else ""
        return f"waits for {first}: {words}{more}"

    def _row(self, step: Step, before: StageStatus, state: StageState, words: str) -> StageStatus:
        since = before.since if before.state == state and before.since else format_time(self.now)
        done = sum(self._done(c, step) for c in step.members)
        return StageStatus(step.name, state, len(step.members), done, "" if state == "Pending" else since, words[:256])

    # What is said

    def _told(self, failure: str, rows: tuple[StageStatus, ...]) -> Course:
        ask = next((row.name for row in rows if row.state == "Verifying"), "")
        if all(row.state == "Done" for row in rows) and not self.refused:
            return self._complete(rows)
        current = next((row for row in rows if row.state != "Done"), None)
        words = f"stage {current.name}: {current.message}" if current and current.message else ""
        if failure:
            lost = "; what to go back to isn't known" if self._should_turn_back() else ""
            return self._course("Failed", f"stopped: {failure}{lost}", rows, ask=ask)
        if self.wish.paused:
            return self._course("Paused", f"spec.rollout.paused is true; {words}".rstrip("; "), rows, ask=ask)
        if self.refused:
            first = min(self.refused)
            words = words or f"{first}: {self.refused[first]}"
        held = current is None or current.state in {"Approval", "Pausing"}
        return self._course("Waiting" if held else "Progressing", words, rows, ask=ask)

    def _complete(self, rows: tuple[StageStatus, ...] = ()) -> Course:
        """All that can be reached have it; who comes back later gets it at once."""
        for cluster in self.clusters:
            if cluster not in self.refused and cluster not in self.unrendered:
                self.assigned[cluster] = self.current
        self.passed_over = [c for c in self.clusters if (s := self.standing.get(c)) is not None and s.away]
        words = f"passed over, and changed when they are back: {', '.join(self.passed_over[:3])}"
        return self._course("Complete", words if self.passed_over else "", rows or self.last.stages)

    def _back(self) -> Course:
        """The change failed: what was stable holds everywhere, at once."""
        for cluster in self.clusters:
            if cluster not in self.unrendered:
                self.assigned[cluster] = self.current
        left = [c for c in self.clusters if not self._there(c)]
        phase: Phase = "RollingBack" if left else "RolledBack"
        return self._course(phase, self.last.message, self.last.stages)

    def _there(self, cluster: str) -> bool:
        there = self.standing.get(cluster)
        return there is not None and self._has(cluster) and (there.applied or bool(there.away))

    def _course(
        self,
        phase: Phase,
        message: str,
        stages: Iterable[StageStatus],
        *,
        ask: str = "",
        turns_back: bool = False,
    ) -> Course:
        message = message[:256]
        same = self.last.phase == phase and self.last.since
        status = RolloutStatus(
            revision=self.progress.target,
            stable=self.progress.target if phase == "Complete" else self.last.stable,
            back=self.last.back,
            phase=phase,
            message=message,
            since=self.last.since if same else format_time(self.now),
            stages=tuple(stages),
            offline=tuple(sorted(set(self.passed_over)))[:MOST_NAMED],
        )
        again = min(self.moments, default=0.0)
        return Course(status, self.assigned, self.refused, again - self.now if again else 0.0, ask, turns_back)


def _last(progress: Progress, now: float) -> RolloutStatus:
    """What was decided last of this very change; of a new one, how it begins."""
    last = progress.last
    if last is not None and last.revision == progress.target:
        return last
    stable = progress.before
    if last is not None:
        stable = last.revision if last.phase == "Complete" else last.stable
    return RolloutStatus(progress.target, stable, phase="Progressing", since=format_time(now))
