"""How a dialect has objects written, where that is not Atoll's own way: names for what `plan` and `deliver` execute."""

from typing import Any, Literal

import msgspec

from atoll.api.objects import Json


class LatePatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """A change of one object, made on the member's side of planning: after what is retained of the live object.

    `path` is a JSON pointer. `replace` of a key that is missing in an object that is there acts as `add`; in arrays
    `-` and `-1` are the end; other missing parents and keys are errors. `field` is where it was written, for errors.
    """

    op: Literal["add", "remove", "replace"]
    path: str
    value: Any = None
    field: str = ""


class Manner(msgspec.Struct, frozen=True, omit_defaults=True):
    """The same for all objects of an intent. The default is Atoll's own way.

    whole: an object is written as a whole, with the resourceVersion that it was read with, instead of by server-side
        apply; finalizers, annotations and what the member allocated are kept (`deliver/replacing.py` lists them).
    labels: put on last, so that no patch takes them off; taken off when the object is let go. A live object that has
        all of them and belongs to no Application was left by a former manager of the same dialect, and is taken.
    hands_off: an object that has one of these labels is not touched.
    make_namespaces: a namespace that is missing on a member is made; else its objects wait for it.
    adopt_at_home: what exists in the hub's own cluster may be taken, whatever `adopt` says.
    deletion: DeleteOptions for each delete; UID and resourceVersion are always added to its preconditions.
    tell_versions: outcomes carry each object's version as it was written (`gen:N`, or `rv:N` without generation).
    tell_status: observations carry each object's raw status.
    """

    whole: bool = False
    labels: dict[str, str] = {}
    hands_off: dict[str, str] = {}
    make_namespaces: bool = True
    adopt_at_home: bool = False
    deletion: Json | None = None
    tell_versions: bool = False
    tell_status: bool = False


OWN_MANNER = Manner()
