"""What a reconciler answers: errors are decisions, and there are five."""

import msgspec


class Done(msgspec.Struct, frozen=True):
    """It is as it should be; ask again when something changes."""


class Wait(msgspec.Struct, frozen=True):
    """Nothing is wrong, but ask again after `after` seconds, at the latest."""

    after: float


class Retry(msgspec.Struct, frozen=True):
    """It failed and may succeed: ask again with growing pauses, not sooner than `after` seconds when given."""

    cause: BaseException | str
    after: float | None = None


class Stalled(msgspec.Struct, frozen=True):
    """It cannot succeed until a user changes something; `reason` is one CamelCase word for a condition."""

    reason: str
    message: str = ""


class Fatal(msgspec.Struct, frozen=True):
    """It cannot succeed and no user can help: a mistake in the program. Logged as an error, not repeated."""

    cause: BaseException | str


Decision = Done | Wait | Retry | Stalled | Fatal
