"""Collections that are there while something is in them: there are many objects, and most stand still."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar


class OnDemand:
    """Attributes of a class with slots that are made when somebody asks for them, and let go of by `let_go`."""

    __slots__ = ()
    on_demand: ClassVar[Mapping[str, Callable[[], object]]] = {}
    """By name: what makes an empty one."""

    def __getattr__(self, name: str) -> Any:
        """A collection that was never needed, or let go since: a new one."""
        make = self.on_demand.get(name)
        if make is None:
            raise AttributeError(name)
        made: object = make()
        setattr(self, name, made)
        return made

    def let_go(self) -> None:
        """Of those that are empty."""
        for name in self.on_demand:
            if not getattr(self, name):
                delattr(self, name)
