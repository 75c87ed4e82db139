"""The CustomResourceDefinitions of Atoll's hub, made from the structs.

`crds()` gives them to whoever installs; `python -m atoll.api.crds [--check] [DIR]` writes them as YAML, or says which
files are stale.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from atoll.api.application import Application
from atoll.api.cluster import Cluster
from atoll.api.clusterprofile import ClusterProfile
from atoll.api.common import AnyJson, Base
from atoll.api.defaults import ApplicationDefaults
from atoll.api.manifests import dump
from atoll.api.names import GROUP, VERSION
from atoll.api.schema import PRESERVE, VALIDATIONS, Schema, struct_schema

HEADER = "# Generated from src/atoll/api by `python -m atoll.api.crds`. Don't edit.\n"

_API_VERSION: Schema = {
    "type": "string",
    "description": "The version of this form of the object.",
}
_KIND: Schema = {
    "type": "string",
    "description": "What the object is.",
}


class Column(NamedTuple):
    """A column of `kubectl get`; `wide` ones only with `-o wide`."""

    name: str
    path: str
    type: Literal["string", "integer", "date"] = "string"
    description: str = ""
    wide: bool = False


class Definition(NamedTuple):
    """One kind of the API, and how kubectl shows it."""

    struct: type[Base]
    group: str
    version: str
    kind: str
    plural: str
    scope: Literal["Namespaced", "Cluster"]
    columns: tuple[Column, ...] = ()
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.plural}.{self.group}"

    @property
    def file(self) -> str:
        return f"{self.group}_{self.plural}.yaml"


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


_AGE = Column("AGE", ".metadata.creationTimestamp", "date", "Since when the object exists.")

DEFINITIONS = (
    Definition(
        Application,
        GROUP,
        VERSION,
        "Application",
        "applications",
        "Namespaced",
        (
            Column("CLUSTERS", ".status.summary.clusters", "integer", "Clusters that it is placed on."),
            Column("APPLIED", ".status.summary.applied", "integer", "Clusters where everything is applied."),
            Column("HEALTHY", ".status.summary.healthy", "integer", "Clusters where everything is healthy."),
            Column("READY", ".status.summary.ready", description="Ready of desired replicas."),
            Column("STATE", _condition("Ready", "reason"), description="Ready, or why not."),
            Column("MESSAGE", _condition("Ready", "message"), description="Why not, in words.", wide=True),
            _AGE,
        ),
        ("atapp",),
        ("atoll",),
    ),
    Definition(
        Cluster,
        GROUP,
        VERSION,
        "Cluster",
        "clusters",
        "Cluster",
        (
            Column("MODE", ".status.mode", description="How it is reached."),
            Column("PROVIDER", ".spec.provider", description="Whose cluster it is."),
            Column("REGION", ".status.region", description="Where it is."),
            Column("READY", _condition("Ready", "status"), description="Whether it can be used."),
            Column("VERSION", ".status.version", description="Its Kubernetes version."),
            Column("NODES", ".status.nodes", "integer", "Number of nodes."),
            Column("CORDONED", ".spec.cordoned", description="Whether new Applications stay away.", wide=True),
            Column("REASON", _condition("Ready", "reason"), description="Ready, or why not.", wide=True),
            _AGE,
        ),
        ("atcl",),
        ("atoll",),
    ),
    Definition(
        ClusterProfile,
        "multicluster.x-k8s.io",
        "v1alpha1",
        "ClusterProfile",
        "clusterprofiles",
        "Namespaced",
    ),
    Definition(
        ApplicationDefaults,
        GROUP,
        VERSION,
        "ApplicationDefaults",
        "applicationdefaults",
        "Namespaced",
        (_AGE,),
        ("atdef",),
        ("atoll",),
    ),
)


def crds() -> list[AnyJson]:
    """All definitions, ready to be applied to a hub."""
    return [crd(definition) for definition in DEFINITIONS]


def crd(definition: Definition) -> AnyJson:
    schema = _schema(definition)
    version: AnyJson = {
        "name": definition.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    if "status" in schema["properties"]:
        version["subresources"] = {"status": {}}
    if definition.columns:
        version["additionalPrinterColumns"] = [printer_column(column) for column in definition.columns]
    names: AnyJson = {
        "kind": definition.kind,
        "listKind": f"{definition.kind}List",
        "plural": definition.plural,
        "singular": definition.kind.lower(),
    }
    if definition.short_names:
        names["shortNames"] = list(definition.short_names)
    if definition.categories:
        names["categories"] = list(definition.categories)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": definition.name},
        "spec": {"group": definition.group, "names": names, "scope": definition.scope, "versions": [version]},
    }


def _schema(definition: Definition) -> Schema:
    """A status of ours has one writer, which writes all of it: it is one value to the API server.

    The server would else record who owns which of its fields, which is longer than the status itself and a third of
    what a write costs. Of an Application's it doesn't know the fields at all: with them, whatever is written of one
    that has a status, by whomever, costs the server half as much again (docs/benchmarks.md). They are described in
    words instead, and who reads a status checks it.
    """
    schema = root_schema(definition.struct)
    if definition.group == GROUP and "status" in schema["properties"]:
        properties = schema["properties"]
        properties["status"] = properties["status"] | {"x-kubernetes-map-type": "atomic"}
        if definition.struct is Application:
            properties["status"] = _in_words(properties["status"])
    return schema


def _in_words(schema: Schema) -> Schema:
    """An object of any fields, whose description says which it has."""
    fields = "\n".join(_told(schema, ""))
    kept = {name: value for name, value in schema.items() if name not in {"properties", "required"}}
    return {**kept, PRESERVE: True, "description": f"{schema['description']}\n\n{fields}"}


def _told(schema: Schema, path: str) -> Iterator[str]:
    """A line for each field, by its path."""
    for name, part in schema.get("properties", {}).items():
        inner, place = part.get("items", part), f"{path}{name}" + ("[]" if "items" in part else "")
        values = f" One of {', '.join(inner['enum'])}." if "enum" in inner else ""
        yield f"{place}: {part['description']}{values}"
        yield from _told(inner, f"{place}.")


def root_schema(struct: type[Base]) -> Schema:
    """A kind's schema: of its metadata only that it is an object, since the API server owns the rest."""
    schema = struct_schema(struct)
    parts = schema["properties"]
    root: Schema = {
        "type": "object",
        "description": schema["description"],
        "required": ["spec"],
        "properties": {
            "apiVersion": _API_VERSION,
            "kind": _KIND,
            "metadata": {"type": "object"},
            **{name: parts[name] for name in ("spec", "status") if name in parts},
        },
    }
    if VALIDATIONS in schema:
        root[VALIDATIONS] = schema[VALIDATIONS]
    return root


def printer_column(column: Column) -> AnyJson:
    shown: AnyJson = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.description:
        shown["description"] = column.description
    if column.wide:
        shown["priority"] = 1
    return shown


def files() -> dict[str, str]:
    """Each definition's file name and YAML."""
    return {definition.file: HEADER + dump([crd(definition)]) for definition in DEFINITIONS}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m atoll.api.crds", description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path("deploy/crds"), metavar="DIR")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    options = parser.parse_args(arguments)
    return refresh(files(), options.directory, check=options.check)


def refresh(wanted: dict[str, str], directory: Path, *, check: bool) -> int:
    """Write generated files; with `check` only say which are stale. Gives the exit code."""
    stale = [name for name, text in wanted.items() if not _is(directory / name, text)]
    for name in stale:
        if check:
            sys.stderr.write(f"{directory / name} is stale: run `make crds`\n")
        else:
            directory.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(wanted[name])
    return 1 if check and stale else 0


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
