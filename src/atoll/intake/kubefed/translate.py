"""From a federated object to an `Intent`: one object, its template under the federated one's name."""

from collections.abc import Collection, Mapping

import msgspec

from atoll.api.application import Retain
from atoll.api.differences import Target
from atoll.api.editing import without
from atoll.api.intent import Intent, Revision
from atoll.api.kubefed.federated import Federated, FederatedSpec
from atoll.api.kubefed.names import (
    ANNOTATION_DELETE_OPTIONS,
    ANNOTATION_ORPHAN,
    LABEL_MANAGED,
    MANAGED,
    UNMANAGED,
)
from atoll.api.kubefed.typeconfig import FederatedTypeConfig
from atoll.api.manner import Manner
from atoll.api.objects import Json, Key, manifest
from atoll.api.placement import Placement
from atoll.intake.kubefed.overrides import late_patches
from atoll.intake.serverset import SERVER_SET

ANNOTATION_KEEP = "kubefed.atoll.dev/keep-template-metadata"
"""`true` on a federated object: the template's annotations and finalizers are delivered, which KubeFed drops."""
DROPPED = {"annotations": "AnnotationsNotSupported", "finalizers": "FinalizersNotSupported"}
"""Fields of a template's metadata that KubeFed drops, and with which reason it says so."""
REPLICAS = "/spec/replicas"


class Terms(msgspec.Struct, frozen=True):
    """What the control plane says of all its objects. `raw_status`: members' statuses are gathered."""

    adopt: bool = True
    raw_status: bool = False


class Unreadable(Exception):  # noqa: N818  what it says is wrong, and where
    """An annotation, or a template, that can't be carried out."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


def translate(
    federated: Federated,
    spec: FederatedSpec,
    config: FederatedTypeConfig,
    key: Key,
    chosen: Collection[str],
    terms: Terms,
) -> Intent:
    """What `federated` asks for on the clusters `chosen`. Raises OverridesError and Unreadable."""
    target = config.spec.target_type
    body = target_object(federated, spec, config)
    retain = (Retain(Target(kind=target.kind), REPLICAS),) if spec.retain_replicas else ()
    patches = late_patches(spec.overrides or ())
    return Intent(
        key=key,
        uid=federated.metadata.uid,
        revision=Revision(0, "", 0),
        manifests=(manifest(body),),
        placement=Placement(clusters=tuple(sorted(chosen))),
        adopt=terms.adopt,
        allow_empty=True,
        retain=retain,
        manner=manner(federated.metadata.annotations, config, terms),
        late={cluster: patches[cluster] for cluster in sorted(patches.keys() & set(chosen)) if patches[cluster]},
    )


def target_object(federated: Federated, spec: FederatedSpec, config: FederatedTypeConfig) -> Json:
    """The template as members get it. A namespace may do without any. Raises Unreadable."""
    target, template = config.spec.target_type, spec.template or {}
    _judge(template)
    for path in SERVER_SET:
        if path[-1] != "ownerReferences":
            template = without(template, path)
    for field in dropped(federated, spec):
        template = without(template, ("metadata", field))
    metadata = {**(template.get("metadata") or {}), "name": federated.metadata.name}
    metadata.pop("namespace", None)
    metadata.pop("generateName", None)
    if target.namespaced:
        metadata["namespace"] = federated.metadata.namespace
    return {
        **template,
        "apiVersion": template.get("apiVersion") or target.api_version,
        "kind": target.kind,
        "metadata": metadata,
    }


def _judge(template: Json) -> None:
    """Of what any object has: no server looked at it yet, since a template may be anything."""
    metadata = template.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise Unreadable("spec.template.metadata", "is no mapping")
    for field in ("labels", "annotations"):
        texts = (metadata or {}).get(field)
        if texts is not None and not (isinstance(texts, dict) and all(isinstance(v, str) for v in texts.values())):
            raise Unreadable(f"spec.template.metadata.{field}", "is no mapping of texts")
    if not isinstance(template.get("apiVersion") or "", str):
        raise Unreadable("spec.template.apiVersion", "is no text")


def dropped(federated: Federated, spec: FederatedSpec) -> tuple[str, ...]:
    """The fields of the template's metadata that are not delivered."""
    if federated.metadata.annotations.get(ANNOTATION_KEEP) == "true":
        return ()
    metadata = (spec.template or {}).get("metadata")
    return tuple(field for field in DROPPED if isinstance(metadata, dict) and metadata.get(field))


def manner(annotations: Mapping[str, str], config: FederatedTypeConfig, terms: Terms) -> Manner:
    """How its objects are written. Raises Unreadable for an annotation with delete options that are none."""
    return Manner(
        whole=True,
        labels={LABEL_MANAGED: MANAGED},
        hands_off={LABEL_MANAGED: UNMANAGED},
        make_namespaces=False,
        adopt_at_home=config.of_namespaces,
        deletion=delete_options(annotations),
        tell_versions=True,
        tell_status=terms.raw_status,
    )


def delete_options(annotations: Mapping[str, str]) -> Json | None:
    """What `kubefed.io/deleteoption` says."""
    text = annotations.get(ANNOTATION_DELETE_OPTIONS)
    if not text:
        return None
    try:
        options = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise Unreadable(_at(ANNOTATION_DELETE_OPTIONS), f"is no JSON: {error}") from error
    if not isinstance(options, dict):
        raise Unreadable(_at(ANNOTATION_DELETE_OPTIONS), "is no JSON object with DeleteOptions")
    return options


def orphaned(annotations: Mapping[str, str]) -> bool:
    """Whether members' objects stay when the federated one goes."""
    return annotations.get(ANNOTATION_ORPHAN) == "true"


def _at(annotation: str) -> str:
    return f"metadata.annotations[{annotation}]"
