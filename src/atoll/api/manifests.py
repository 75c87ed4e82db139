"""Manifests as text: `load` reads what `kubectl apply -f` reads, `dump` writes what people read.

Both go through `atoll.api.yamltext`, whose docstring says why neither of the usual readers would do.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from atoll.api.objects import Json
from atoll.api.yamltext import YamlError, read, resolve


def load(text: str) -> list[Json]:
    """The objects of a YAML or JSON text of one or more documents, Lists taken apart.

    Raises `YamlError` when a document is no mapping, or no YAML.
    """
    objects: list[Json] = []
    for number, document in enumerate(read(text), start=1):
        objects.extend(_objects(document, f"document {number}"))
    return objects


def is_list(body: Json) -> bool:
    """Whether `body` is a List, or a kind's list such as DeploymentList: not an object, but several."""
    return str(body.get("kind", "")).endswith("List") and isinstance(body.get("items"), list)


def _objects(document: Any, where: str) -> Iterator[Json]:
    if not isinstance(document, dict):
        raise YamlError(f"{where} is no object, but a {_name(document)}")
    if not is_list(document):
        yield document
        return
    kind = str(document["kind"]).removesuffix("List")
    for index, item in enumerate(document["items"]):
        if isinstance(item, dict) and kind and "kind" not in item:  # a list from the API leaves it out of its items
            item = {"apiVersion": document.get("apiVersion"), "kind": kind, **item}
        yield from _objects(item, f"{where}, items[{index}]")


def _name(value: Any) -> str:
    match value:
        case list():
            return "list"
        case str():
            return "string"
        case bool():
            return "boolean"
        case None:
            return "null"
        case _:
            return "number"


def dump(objects: Iterable[Json]) -> str:
    """YAML of one or more objects, keys in their order, long texts as blocks; `load` gives the same objects again."""
    text: str = yaml.dump_all(
        objects,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=120,
        explicit_start=False,
    )
    return text


_SAFE_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_SAFE_DUMPER):  # type: ignore[misc]  # the class is chosen when the module loads
    """Writes no anchors, and quotes what Go would read as something else than a string."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # PyYAML's signature
        return True


def _string(dumper: Any, text: str) -> Any:
    style = None
    if "\n" in text and not any(line.endswith((" ", "\t")) for line in text.split("\n")):
        style = "|"
    elif not isinstance(resolve(text), str):
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _string)
