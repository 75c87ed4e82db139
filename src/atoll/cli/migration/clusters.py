"""KubeFed's clusters become Atoll's: the same names, labels and tokens. The KubeFedClusters stay where they are."""

import asyncio
import base64

import msgspec

from atoll.api.cluster import Cluster
from atoll.api.common import DNS_LABEL
from atoll.api.kubefed.cluster import KubeFedCluster
from atoll.api.kubefed.names import SECRET_TOKEN
from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.cli.changing import MANAGER
from atoll.cli.migration.reading import State
from atoll.hub.kubefed.members import LABEL, connection, mirror, secret
from atoll.hub.kubefed.settings import Settings
from atoll.intake.kubefed.migration import Finding
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, KubeError
from atoll.kube.objects import Object
from atoll.kube.resources import CLUSTERS, SECRETS

LOOK_EVERY = 0.2


class Joining(msgspec.Struct, frozen=True):
    """What becomes of one KubeFedCluster: nothing when Atoll has a Cluster of that name."""

    name: str
    there: bool
    cluster: Json | None = None
    secret: Json | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def refused(self) -> bool:
        return any(f.refuses for f in self.findings)


async def joinings(hub: Client, state: State, settings: Settings) -> list[Joining]:
    """What would become of each, by name."""
    there = {c.name: c for c in (await hub.list(CLUSTERS)).items}
    return [await _joining(hub, item, there.get(name), settings) for name, item in sorted(state.clusters.items())]


async def _joining(hub: Client, item: Object, there: Object | None, settings: Settings) -> Joining:
    about = f"KubeFedCluster {item.name}"
    if there is not None:
        return Joining(item.name, True, findings=_differing(about, item, there))
    if not DNS_LABEL.fullmatch(item.name):
        why = "no Cluster can have that name: at most 63 lower-case letters, digits and `-`"
        found = Finding(
            about, "metadata.name", why, "join it under another name, and place objects there", refuses=True
        )
        return Joining(item.name, False, findings=(found,))
    try:
        kubefed = msgspec.convert(item.body(), KubeFedCluster)
        stored = await hub.get(SECRETS, kubefed.spec.secret_ref.name, item.namespace)
        token = base64.b64decode((stored.body().get("data") or {}).get(SECRET_TOKEN, "")).decode()
        config = connection(kubefed, token)
    except (msgspec.ValidationError, ValueError, KubeError) as error:
        found = Finding(about, "spec", str(error), f"atoll cluster join {item.name} --context …", refuses=True)
        return Joining(item.name, False, findings=(found,))
    found = Finding(
        about,
        "spec.secretRef",
        "Atoll uses the same token, which KubeFed's account on the member has, and which nobody renews",
        f"atoll cluster join {item.name} gives Atoll an account of its own",
    )
    kept = _unlabelled(secret(kubefed, config, settings))
    return Joining(item.name, False, _unlabelled(mirror(kubefed, settings)), kept, (found,))


def _unlabelled(body: Json) -> Json:
    """Without the label by which Atoll's front end would take it away with the KubeFedCluster."""
    labels = {key: value for key, value in body["metadata"]["labels"].items() if key != LABEL}
    return body | {"metadata": body["metadata"] | {"labels": labels}}


def _differing(about: str, item: Object, there: Object) -> tuple[Finding, ...]:
    """Labels that placements may select by."""
    missing = {key: value for key, value in item.labels.items() if there.labels.get(key) != value}
    if not missing:
        return ()
    pairs = ", ".join(f"{key}={value}" for key, value in sorted(missing.items()))
    why = f"Cluster {there.name} is there without its labels {pairs}, by which placements may select"
    return (Finding(about, "metadata.labels", why, f"kubectl label cluster.atoll.dev {there.name} {pairs}"),)


async def join(hub: Client, joining: Joining) -> None:
    """Make the Cluster. Raises KubeError."""
    if joining.cluster is None or joining.secret is None:
        return
    name = joining.secret["metadata"]["name"]
    await hub.apply(SECRETS, joining.secret, name=name, namespace=SYSTEM_NAMESPACE, manager=MANAGER, force=True)
    try:
        await hub.create(CLUSTERS, joining.cluster, manager=MANAGER)
    except AlreadyExists:
        return


async def reached(hub: Client, names: list[str], seconds: float) -> None:
    """Until each was reached, or `seconds` are over: then what it has is not taken over before it is."""
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    while names and clock() < end:
        states = {c.name: c.read(Cluster).status for c in (await hub.list(CLUSTERS)).items}
        names = [name for name in names if name in states and not states[name].uid]
        if names:
            await asyncio.sleep(LOOK_EVERY)
