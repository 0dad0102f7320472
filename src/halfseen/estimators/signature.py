"""Constructors that add settings to those of their base, without listing those again."""

from __future__ import annotations

import inspect
from collections.abc import Callable

__all__ = ["adds_to"]

Init = Callable[..., None]


def adds_to(base: type) -> Callable[[Init], Init]:
    """Let a constructor show the settings of a base class as its own.

    The constructor takes what it adds, and ``**shared`` for the rest. scikit-learn, help texts
    and editors read the signature, in which every setting has its name and default; a default
    that the constructor gives to a setting of the base wins.

    Parameters
    ----------
    base : type
        The class whose settings are shared.

    Returns
    -------
    callable
        A decorator of ``__init__``.

    Examples
    --------
    >>> class Base:
    ...     def __init__(self, *, lr: float = 0.1) -> None:
    ...         self.lr = lr
    >>> class Derived(Base):
    ...     @adds_to(Base)
    ...     def __init__(self, *, depth: int = 2, **shared) -> None:
    ...         super().__init__(**shared)
    ...         self.depth = depth
    >>> list(inspect.signature(Derived).parameters)
    ['depth', 'lr']
    """

    def decorate(init: Init) -> Init:
        own = inspect.signature(init)
        added = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        names = {parameter.name for parameter in added}
        shared = inspect.signature(base.__init__).parameters.values()  # type: ignore[misc]
        rest = [p for p in shared if p.name not in names]
        init.__signature__ = own.replace(parameters=[*added, *rest])  # type: ignore[attr-defined]
        return init

    return decorate
