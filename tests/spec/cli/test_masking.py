"""`diff` shows that a Secret changed, never what is in it."""

from atoll.inquire.comparing import plain
from atoll.inquire.masking import LAST_APPLIED, masked

SALT = b"0123456789abcdef"


def secret(password: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "s",
            "annotations": {LAST_APPLIED: f'{{"kind":"Secret","data":{{"p":"{password}"}}}}', "note": "short"},
        },
        "data": {"p": password},
        "stringData": {"q": password},
    }


def test_values_and_annotations_that_repeat_them_are_hidden() -> None:
    text = str(masked(secret("aHVudGVyMg=="), SALT))
    assert "aHVudGVyMg==" not in text
    assert "'note': 'short'" in text


def test_a_change_still_shows() -> None:
    assert masked(secret("old"), SALT) == masked(secret("old"), SALT)
    assert masked(secret("old"), SALT)["data"] != masked(secret("new"), SALT)["data"]


def test_nothing_can_be_compared_across_runs() -> None:
    assert masked(secret("old"), SALT)["data"] != masked(secret("old"), SALT[::-1])["data"]


def test_other_objects_stay_as_they_are() -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"p": "x"}}
    assert masked(body, SALT) == body


def test_marks_of_servers_and_of_atoll_are_no_difference() -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "c",
            "uid": "u",
            "resourceVersion": "7",
            "managedFields": [],
            "labels": {"atoll.dev/app": "a", "atoll.dev/hub": "h", "mine": "1"},
            "annotations": {"atoll.dev/digest": "d", "atoll.dev/revision": "1/a/1"},
        },
        "status": {"x": 1},
    }
    assert plain(body) == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "labels": {"mine": "1"}}}
