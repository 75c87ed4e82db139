"""What the generated CRDs promise without an API server; tests/fleet asks a real one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from atoll.api import crds, reference
from atoll.api.common import Base
from atoll.api.manifests import load
from atoll.api.schema import struct_schema

ROOT = Path(__file__).parents[3]
ATOLLS = [definition for definition in crds.DEFINITIONS if definition.group == "atoll.dev"]


def test_the_files_are_fresh() -> None:
    assert crds.main([str(ROOT / "deploy/crds"), "--check"]) == 0, "run `make crds`"


def test_the_reference_is_fresh() -> None:
    assert reference.main([str(ROOT / "docs/reference/api.md"), "--check"]) == 0, "run `make crds`"


def test_a_stale_file_is_told_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert crds.main([str(tmp_path), "--check"]) == 1
    assert "atoll.dev_applications.yaml is stale: run `make crds`" in capsys.readouterr().err
    assert crds.main([str(tmp_path)]) == 0
    assert crds.main([str(tmp_path), "--check"]) == 0
    wanted = {definition.file: crds.crd(definition) for definition in crds.DEFINITIONS}
    assert {file.name: load(file.read_text())[0] for file in tmp_path.iterdir()} == wanted
    page = tmp_path / "page.md"
    assert reference.main([str(page), "--check"]) == 1
    assert reference.main([str(page)]) == 0
    assert reference.main([str(page), "--check"]) == 0


def places(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from places(part, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if name in schema:
            yield from places(schema[name], f"{path}[]")


def spec_and_status(definition: crds.Definition) -> Iterator[tuple[str, dict[str, Any]]]:
    root = crds.root_schema(definition.struct)
    for name in root["properties"].keys() & {"spec", "status"}:
        yield from places(root["properties"][name], f"{definition.kind}.{name}")


ALL_PLACES = [place for definition in crds.DEFINITIONS for place in spec_and_status(definition)]
OUR_PLACES = [place for definition in ATOLLS for place in spec_and_status(definition)]


def test_every_place_has_a_type() -> None:
    for path, schema in ALL_PLACES:
        free = schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("x-kubernetes-int-or-string")
        assert "type" in schema or free, path
        assert not ({"$ref", "title", "default"} & schema.keys()), path
        assert not ("properties" in schema and "additionalProperties" in schema), path


def test_every_field_is_described() -> None:
    for path, schema in ALL_PLACES:
        if not path.endswith("[]"):
            assert schema.get("description"), path


def test_everything_in_our_own_kinds_is_bounded() -> None:
    limits = {"string": "maxLength", "array": "maxItems"}
    for path, schema in OUR_PLACES:
        limit = limits.get(schema.get("type", ""))
        if "additionalProperties" in schema:
            limit = "maxProperties"
        assert limit is None or limit in schema or "enum" in schema, path


def test_rules_point_at_fields_that_exist() -> None:
    for path, schema in ALL_PLACES:
        for rule in schema.get("x-kubernetes-validations", ()):
            field = rule.get("fieldPath")
            assert field is None or field.removeprefix(".") in schema["properties"], f"{path}: {rule}"


def test_a_type_that_a_crd_cannot_say_is_refused() -> None:
    class Two(Base, frozen=True):
        """Either."""

        value: int | str

    with pytest.raises(TypeError, match="a CRD can't say"):
        struct_schema(Two)


def test_a_fields_own_words_win() -> None:
    class Inner(Base, frozen=True):
        """The type's words."""

    class Outer(Base, frozen=True):
        """Outer."""

        field: Annotated[Inner | None, msgspec.Meta(description="The field's words.")] = None

    assert struct_schema(Outer)["properties"]["field"] == {
        "type": "object",
        "description": "The field's words.",
        "properties": {},
        "nullable": True,
    }
