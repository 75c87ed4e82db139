"""Applications that are written in another manner: a label has them delivered as whole objects, as a front end has."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from atoll.api.application import Application
from atoll.api.intent import Intent
from atoll.api.manner import Manner
from atoll.hub import intents
from atoll.intake.native import translate

LABEL = "testing.atoll.dev/whole"
WHOLE = Manner(whole=True, tell_versions=True)


def translated(app: Application, **how: Any) -> Intent:
    """As the hub translates `app`, in the manner of its label."""
    intent = translate(app, **how)
    return msgspec.structs.replace(intent, manner=WHOLE) if LABEL in app.metadata.labels else intent


@contextmanager
def manners() -> Iterator[None]:
    """Hubs heed the label."""
    names = vars(intents)
    before, names["translate"] = names["translate"], translated
    try:
        yield
    finally:
        names["translate"] = before
