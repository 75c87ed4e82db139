"""Events on federated objects, by KubeFed's reasons: one for what happened to several clusters together."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from atoll.api.kubefed.names import Propagation, Reason
from atoll.hub.dossier import Dossier
from atoll.hub.events import Recorder
from atoll.hub.kubefed.front import FederatedFront, Said
from atoll.observe.kubefed.words import Word

FAILED = {
    Propagation.CREATION_FAILED: ("CreateInClusterFailed", "create"),
    Propagation.UPDATE_FAILED: ("UpdateInClusterFailed", "update"),
    Propagation.DELETION_FAILED: ("DeleteInClusterFailed", "delete"),
    Propagation.LABEL_REMOVAL_FAILED: ("RemoveManagedLabelFromInClusterFailed", "remove managed label from"),
    Propagation.RETRIEVAL_FAILED: ("UpdateInClusterFailed", "update"),
    Propagation.FIELD_RETENTION_FAILED: ("UpdateInClusterFailed", "update"),
    Propagation.APPLY_OVERRIDES_FAILED: ("UpdateInClusterFailed", "update"),
    Propagation.COMPUTE_RESOURCE_FAILED: ("UpdateInClusterFailed", "update"),
    Propagation.VERSION_RETRIEVAL_FAILED: ("UpdateInClusterFailed", "update"),
    Propagation.MANAGED_LABEL_FALSE: ("UpdateInClusterFailed", "update"),
    Propagation.ALREADY_EXISTS: ("CreateInClusterFailed", "create"),
}
"""Reason of the Event, and what could not be done."""
MOST = 10
"""Clusters that one Event names."""


class News:
    """Tells what is new since it was told last. `dossier.uid` says whose."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._versions: dict[str, dict[str, str]] = {}
        """By object and cluster: the version that was told last."""

    def forget(self, uid: str) -> None:
        self._versions.pop(uid, None)

    def misnamed(self, dossier: Dossier) -> None:
        words = "The name of a federated namespace must match the name of its containing namespace."
        self._recorder.tell(dossier.live, "Warning", "InvalidName", words)

    def tell(self, dossier: Dossier, front: FederatedFront, said: Said, words: Mapping[str, Word]) -> None:
        for reason, message in said.warnings:
            self._recorder.tell(dossier.live, "Warning", reason, message)
        if said.message:
            reason = said.reason.value if said.reason != Reason.SUCCESS else said.word.value
            self._recorder.tell(dossier.live, "Warning", reason, f"{said.path}: {said.message}")
        else:
            self._failures(dossier, front, words)
        if dossier.live.deleting:
            self._remaining(dossier, words)
        else:
            self._written(dossier, front)

    def _failures(self, dossier: Dossier, front: FederatedFront, words: Mapping[str, Word]) -> None:
        by_trouble: defaultdict[tuple[Propagation, str], list[str]] = defaultdict(list)
        for cluster, one in words.items():
            if one.message:
                by_trouble[one.word, one.message].append(cluster)
        for (kind, message), clusters in by_trouble.items():
            if kind not in FAILED:
                self._recorder.tell(dossier.live, "Warning", kind.value, f"{message}: {_listed(clusters)}")
                continue
            reason, doing = FAILED[kind]
            words_ = f"Failed to {doing} {_target(dossier, front)} in {_listed(clusters)}: {message}"
            self._recorder.tell(dossier.live, "Warning", reason, words_)

    def _remaining(self, dossier: Dossier, words: Mapping[str, Word]) -> None:
        left = [name for name, one in words.items() if one.word == Propagation.WAITING_FOR_REMOVAL]
        if left:
            named = ", ".join(left[:MOST])
            self._recorder.tell(
                dossier.live,
                "Normal",
                "WaitForRemovalInCluster",
                f"Waiting for managed resources to be removed from the following clusters: {named}",
            )

    def _written(self, dossier: Dossier, front: FederatedFront) -> None:
        """A hub that has just started finds versions that another one may have told of."""
        known = self._versions.setdefault(dossier.uid, {})
        before = {one.cluster for one in dossier.status.placement} if dossier.status is not None else set()
        made, changed = [], []
        for cluster, outcome in dossier.outcomes.items():
            version = outcome.versions[0][1] if outcome.versions else ""
            if version and version != known.get(cluster):
                if cluster in known:
                    changed.append(cluster)
                elif cluster not in before:
                    made.append(cluster)
                known[cluster] = version
        for cluster in known.keys() - dossier.outcomes.keys():
            del known[cluster]
        for reason, doing, clusters in (
            ("CreateInCluster", "Creating", made),
            ("UpdateInCluster", "Updating", changed),
        ):
            if clusters:
                words = f"{doing} {_target(dossier, front)} in {_listed(sorted(clusters))}"
                self._recorder.tell(dossier.live, "Normal", reason, words)


def _target(dossier: Dossier, front: FederatedFront) -> str:
    target = front.config.spec.target_type
    name = f"{dossier.live.namespace}/{dossier.live.name}" if target.namespaced else dossier.live.name
    return f'{target.kind} "{name}"'


def _listed(clusters: Iterable[str]) -> str:
    names = [f'"{name}"' for name in clusters]
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ("cluster " if len(names) == 1 else "clusters ") + ", ".join(names[:MOST]) + more
