"""Replacing a function of fairseq by one that calls it."""

from collections.abc import Callable
from functools import wraps
from typing import Any


def replace_once(
    owner: Any, name: str, wrapper: Callable[[Callable], Callable]
) -> None:
    """Put ``wrapper(stock)`` in the place of ``owner.name``, unless it is there.

    Args:
        owner: a module or a class.
    """
    stock = getattr(owner, name)
    before: tuple = getattr(stock, "wrapped_by", ())
    if wrapper in before:
        return
    replaced: Any = wraps(stock)(wrapper(stock))
    replaced.wrapped_by = (*before, wrapper)
    static = isinstance(vars(owner)[name], staticmethod)
    setattr(owner, name, staticmethod(replaced) if static else replaced)
