"""Collections that are there while something is in them: there are many objects, and most stand still."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar


class OnDemand:
    """Attributes of a class with slots that are made when somebody asks for them, and let go of by `let_go`."""

    __slots__ = ()
    on_demand: ClassVar[Mapping[str, Callable[[], object]]] = {}
    """By name: what makes an empty one."""
    _slots: ClassVar[tuple[tuple[str, Any], ...]] = ()
    """Their places, by name."""

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
        for name, slot in self._slots:
            try:
                empty = not slot.__get__(self)
            except AttributeError:  # it isn't there: asked for as usual, it would be made
                continue
            if empty:
                delattr(self, name)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._slots = tuple((name, cls.__dict__[name]) for name in cls.on_demand if name in cls.__dict__)
