"""An upgrade goes forward; going back has to be said, and isn't done at all where objects would be lost."""

import copy
import json
from typing import Any

import pytest

from atoll import __version__
from atoll.install.kinds import InstallError, check_upgrade, definitions, foreign, maturity, release
from atoll.kube.objects import Object, decode_object, of_body

Json = dict[str, Any]


def live(*stored: str, versions: tuple[str, ...] = ("v1alpha1",), storage: str = "v1alpha1", by: str = "") -> Object:
    """The CRD of Applications as a cluster has it."""
    body = copy.deepcopy(definitions()[0])
    template = body["spec"]["versions"][0]
    body["spec"]["versions"] = [{**template, "name": name, "storage": name == storage} for name in versions]
    body["status"] = {"storedVersions": list(stored or ("v1alpha1",))}
    if by:
        body["metadata"]["labels"]["app.kubernetes.io/version"] = by
    return of_body(body)


def wanted(*versions: str, storage: str) -> Json:
    body = definitions()[0]
    template = body["spec"]["versions"][0]
    body["spec"] = {
        **body["spec"],
        "versions": [{**template, "name": name, "storage": name == storage} for name in versions],
    }
    return body


def test_the_same_and_an_older_one_are_upgraded() -> None:
    check_upgrade(live(), definitions()[0])
    check_upgrade(live(by="0.0.9"), definitions()[0])
    check_upgrade(live(), wanted("v1alpha1", "v1beta1", storage="v1beta1"))


@pytest.mark.parametrize("downgrade", [False, True])
def test_a_version_that_objects_are_stored_in_is_never_taken_away(downgrade: bool) -> None:
    there = live("v1alpha1", "v1beta1", versions=("v1alpha1", "v1beta1"), storage="v1beta1")
    with pytest.raises(InstallError, match="has objects stored as v1beta1"):
        check_upgrade(there, definitions()[0], downgrade=downgrade)


def test_an_older_storage_version_needs_to_be_asked_for() -> None:
    there = live("v1beta1", versions=("v1alpha1", "v1beta1"), storage="v1beta1")
    back = wanted("v1alpha1", "v1beta1", storage="v1alpha1")
    with pytest.raises(InstallError, match="stored as v1beta1 now, and would be as v1alpha1"):
        check_upgrade(there, back)
    check_upgrade(there, back, downgrade=True)


def test_an_older_atoll_needs_to_be_asked_for() -> None:
    with pytest.raises(InstallError, match=rf"installed by Atoll 99\.1\.0, this is {__version__}"):
        check_upgrade(live(by="99.1.0"), definitions()[0])
    check_upgrade(live(by="99.1.0"), definitions()[0], downgrade=True)


def test_versions_are_ordered() -> None:
    ordered = ["nonsense", "v1alpha1", "v1alpha2", "v1beta1", "v1", "v2alpha1", "v2"]
    assert sorted(ordered, key=maturity) == ordered
    assert release("0.9.12") < release("0.10.0") < release("1.0")
    assert release("0.2.0rc1") == release("0.2.0.dev3+g1234") == release("0.2.0")  # it is upgraded to its release
    assert release("") < release("0")


def test_another_projects_kind_is_left_to_who_brought_it() -> None:
    body = copy.deepcopy(definitions()[2])
    entries = body["metadata"]["managedFields"] = [{"manager": "helm", "operation": "Update"}]
    assert foreign(decode_object(json.dumps(body).encode(), managed_fields=True)) is True
    entries.append({"manager": "atoll", "operation": "Apply"})
    assert foreign(decode_object(json.dumps(body).encode(), managed_fields=True)) is False
    assert foreign(live()) is False
