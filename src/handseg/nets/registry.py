"""Parts of a network by name, so that a recipe can name one that isn't handseg's.

One is added by a decorator, where its module has been imported, or by an entry point of an installed package, which is
imported when a recipe names it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, TypeVar

from torch import nn

Factory = TypeVar("Factory", bound=Callable[..., nn.Module])


class Registry:
    """Classes or functions that make an `nn.Module`, by name.

    kind: what they make, for messages. group: of the entry points. own: names that handseg has itself.
    """

    def __init__(self, kind: str, group: str, own: tuple[str, ...]) -> None:
        self.kind = kind
        self.group = group
        self.own = own
        self._made: dict[str, Callable[..., nn.Module]] = {}

    def register(self, name: str) -> Callable[[Factory], Factory]:
        """A decorator that adds a class or function; registered again, the newer one counts.

        Raises ValueError for a name that handseg has itself.
        """
        if name in self.own:
            raise ValueError(f"{self.kind} {name!r} is handseg's own; choose another name")

        def add(factory: Factory) -> Factory:
            self._made[name] = factory
            return factory

        return add

    def names(self) -> list[str]:
        """All that a recipe can name."""
        return [*self.own, *sorted({*self._made, *(point.name for point in entry_points(group=self.group))})]

    def build(self, name: str, *arguments: Any, **options: Any) -> nn.Module:
        """What the class or function of this name makes.

        Raises ValueError, in words, where there is none, or it can't be imported or called like this.
        """
        factory = self._made.get(name)
        if factory is None:
            found = [point for point in entry_points(group=self.group) if point.name == name]
            if not found:
                raise ValueError(
                    f"{self.kind} {name!r} is unknown; known are {', '.join(self.names())}; import the module that "
                    f"registers it first, or install the package with its entry point in {self.group!r}"
                )
            try:
                factory = found[0].load()
            except Exception as error:  # whatever another package raises
                raise ValueError(f"{self.kind} {name!r} ({found[0].value}) can't be imported: {error}") from error
        try:
            made = factory(*arguments, **options)
        except TypeError as error:
            raise ValueError(f"{self.kind} {name!r} can't be made with these options: {error}") from error
        if not isinstance(made, nn.Module):
            raise ValueError(f"{self.kind} {name!r} makes a {type(made).__name__}, not a torch.nn.Module")
        return made


NETWORKS = Registry("network", "handseg.networks", ("UNet", "EncoderUNet"))
ENCODERS = Registry("encoder", "handseg.encoders", ("lite0", "lite2"))

register_network = NETWORKS.register
register_encoder = ENCODERS.register
