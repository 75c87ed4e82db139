"""What is told of objects, and to whom."""

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec
import structlog

from atoll.api.objects import ObjectId

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Change(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """What happened to one object: `old` None says that it is new, `new` None that it is gone, or left the selector."""

    id: ObjectId
    old: T | None
    new: T | None


Handler = Callable[[Change[T]], None]


class Subscribers(Generic[T]):
    """Handlers, called synchronously and in order; what one raises is logged and hurts nobody else."""

    def __init__(self) -> None:
        self._handlers: list[Handler[T]] = []

    def add(self, handler: Handler[T], present: list[tuple[ObjectId, T]]) -> Callable[[], None]:
        """Tell `handler` what is `present`, as new, and from now on each change. The answer unsubscribes."""
        self._handlers.append(handler)
        for identity, value in present:
            self._call(handler, Change(identity, None, value))
        return lambda: self._handlers.remove(handler)

    def tell(self, change: Change[T]) -> None:
        for handler in tuple(self._handlers):
            self._call(handler, change)

    def _call(self, handler: Handler[T], change: Change[T]) -> None:
        try:
            handler(change)
        except Exception:
            log.exception(
                "handler failed", object=str(change.id), handler=getattr(handler, "__qualname__", str(handler))
            )
