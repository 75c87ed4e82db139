"""The CustomResourceDefinitions of KubeFed's fixed kinds, and of the Federated<Kind> that a target type gets.

They are KubeFed's field by field, so that neither can tell whose is installed: which words are allowed is said by the
webhooks there, and not by the schemas. Only the Service statuses in a FederatedServiceStatus are free here, since
newer Kubernetes has more in them.
"""

from typing import Literal, NamedTuple

from atoll.api.common import AnyJson, Base
from atoll.api.crds import Column, printer_column
from atoll.api.kubefed.cluster import KubeFedCluster
from atoll.api.kubefed.config import KubeFedConfig
from atoll.api.kubefed.federated import Federated
from atoll.api.kubefed.names import (
    CORE_GROUP,
    CORE_VERSION,
    RECORDS_VERSION,
    SCHEDULING_GROUP,
    SCHEDULING_VERSION,
)
from atoll.api.kubefed.preference import ReplicaSchedulingPreference
from atoll.api.kubefed.records import ClusterPropagatedVersion, FederatedServiceStatus, PropagatedVersion
from atoll.api.kubefed.typeconfig import FederatedTypeConfig
from atoll.api.schema import PRESERVE, Schema, struct_schema


class Definition(NamedTuple):
    """One fixed kind; `status` says whether it has the subresource."""

    struct: type[Base]
    group: str
    version: str
    plural: str
    scope: Literal["Namespaced", "Cluster"] = "Namespaced"
    short_names: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    status: bool = True


DEFINITIONS = (
    Definition(
        KubeFedCluster,
        CORE_GROUP,
        CORE_VERSION,
        "kubefedclusters",
        short_names=("kfc",),
        columns=(
            Column("age", ".metadata.creationTimestamp", "date"),
            Column("ready", ".status.conditions[?(@.type=='Ready')].status"),
            Column("kubernetes-version", ".status.kubernetesVersion"),
        ),
    ),
    Definition(FederatedTypeConfig, CORE_GROUP, CORE_VERSION, "federatedtypeconfigs", short_names=("ftc",)),
    Definition(KubeFedConfig, CORE_GROUP, CORE_VERSION, "kubefedconfigs", status=False),
    Definition(PropagatedVersion, CORE_GROUP, RECORDS_VERSION, "propagatedversions"),
    Definition(ClusterPropagatedVersion, CORE_GROUP, RECORDS_VERSION, "clusterpropagatedversions", "Cluster"),
    Definition(FederatedServiceStatus, CORE_GROUP, RECORDS_VERSION, "federatedservicestatuses", status=False),
    Definition(
        ReplicaSchedulingPreference,
        SCHEDULING_GROUP,
        SCHEDULING_VERSION,
        "replicaschedulingpreferences",
        short_names=("rsp",),
        status=False,
    ),
)

_TYPE_FIELDS: Schema = {
    "apiVersion": {"type": "string", "description": "The version of this form of the object."},
    "kind": {"type": "string", "description": "What the object is."},
    "metadata": {"type": "object"},
}


class FederatedType(NamedTuple):
    """A Federated<Kind> to be defined. `retains_replicas`: its target has `spec.replicas` that something scales."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    template: bool = True
    retains_replicas: bool = False


def crds() -> list[AnyJson]:
    """All fixed kinds, ready to be applied."""
    return [crd(definition) for definition in DEFINITIONS]


def crd(definition: Definition) -> AnyJson:
    kind = definition.struct.__name__
    version: AnyJson = {
        "name": definition.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _root(struct_schema(definition.struct))},
    }
    if definition.status:
        version["subresources"] = {"status": {}}
    if definition.columns:
        version["additionalPrinterColumns"] = [printer_column(column) for column in definition.columns]
    names: AnyJson = {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": definition.plural,
        "singular": kind.lower(),
    }
    return _crd(definition.group, names, definition.short_names, definition.scope, version)


def federated_crd(wanted: FederatedType) -> AnyJson:
    """The definition of a Federated<Kind>. The template is free: the members' API servers judge it."""
    schema = _root(struct_schema(Federated))
    schema["required"] = ["spec"]
    spec: Schema = schema["properties"]["spec"]["properties"]
    if not wanted.template:
        del spec["template"]
    if not wanted.retains_replicas:
        del spec["retainReplicas"]
    version: AnyJson = {
        "name": wanted.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    names: AnyJson = {"kind": wanted.kind, "plural": wanted.plural}
    return _crd(wanted.group, names, wanted.short_names, "Namespaced" if wanted.namespaced else "Cluster", version)


def _crd(group: str, names: AnyJson, short_names: tuple[str, ...], scope: str, version: AnyJson) -> AnyJson:
    if short_names:
        names["shortNames"] = list(short_names)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{group}"},
        "spec": {"group": group, "names": names, "scope": scope, "versions": [version]},
    }


def _root(schema: Schema) -> Schema:
    schema = _without_null(schema)
    fields = {name: part for name, part in schema["properties"].items() if name not in _TYPE_FIELDS}
    root: Schema = {
        "type": "object",
        "description": schema["description"],
        "properties": {**_TYPE_FIELDS, **fields},
    }
    if required := [name for name in schema.get("required", ()) if name not in _TYPE_FIELDS]:
        root["required"] = required
    return root


def _without_null(schema: Schema) -> Schema:
    """What a struct takes for absent, null, is nothing that KubeFed's schemas allow to be written.

    A value of any type keeps it: there null is a value, and needs no word.
    """
    result = {key: value for key, value in schema.items() if key != "nullable"}
    if result.get("type") == "object" and PRESERVE not in result and "properties" in result:
        result["properties"] = {name: _without_null(part) for name, part in result["properties"].items()}
    for nested in ("items", "additionalProperties"):
        if isinstance(result.get(nested), dict):
            result[nested] = _without_null(result[nested])
    return result
