"""Fields of records: plain values of a file as what they should be, or named errors."""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

LARGEST = 1e300
"""Of a number; sums and differences of larger ones may be infinite."""

_UNIONS = (Union, types.UnionType)


def filled(kind: Any, value: Any, name: str) -> Any:
    """Plain values as a value of *kind*, such as ``dict[str, list[int]]``.

    Args:
        kind: ``int``, ``float`` (finite; whole numbers, too), ``str``, ``bool``,
            ``None``, ``list[…]``, ``tuple[…, ...]`` and ``dict[str, …]`` of these, a
            union of them, or a dataclass, which is filled by its fields.
        value: of a JSON file, or of ``task_state`` of a checkpoint.
        name: where the value stands, for messages.

    Raises:
        ValueError: something is missing, of another type or no finite number.
    """
    parts, origin = get_args(kind), get_origin(kind)
    if kind is Any:
        return value
    if origin in _UNIONS:
        return _of_union(parts, value, name)
    if is_dataclass(kind):
        return _of_class(kind, _proper(dict, value, name), name)
    if origin in (dict, Mapping):
        items = _proper(dict, value, name).items()
        for key, _ in items:
            _proper(str, key, f"a key of {name}")
        return {key: filled(parts[1], each, f"{name}.{key}") for key, each in items}
    if origin in (list, tuple):
        values = [
            filled(parts[0], each, f"{name}[{number}]")
            for number, each in enumerate(_proper(list | tuple, value, name))
        ]
        return origin(values)
    if kind is bool:
        return _proper(bool, value, name)
    if kind is not float:
        return _proper(kind, value, name)
    if not abs(_proper(int | float, value, name)) < LARGEST:
        raise ValueError(f"{name} is {value}, no finite number")
    return float(value)


def _of_union(kinds: tuple[Any, ...], value: Any, name: str) -> Any:
    """*value* as the first of *kinds* that it fits; else the last one's error."""
    if value is None and type(None) in kinds:
        return None
    *others, last = [kind for kind in kinds if kind is not type(None)]
    for kind in others:
        try:
            return filled(kind, value, name)
        except ValueError:
            continue
    return filled(last, value, name)


def _of_class(kind: Any, values: dict, name: str) -> Any:
    found, kinds = {}, get_type_hints(kind)
    for key in (field.name for field in fields(kind) if field.init):
        if key not in values:
            raise ValueError(f"{name} has no '{key}'")
        found[key] = filled(kinds[key], values[key], f"{name}.{key}")
    return kind(**found)


def whole(value: Any, name: str, least: int = 0) -> int:
    """*value* if it is a whole number of at least *least*.

    Raises:
        ValueError: it is not.
    """
    if _proper(int, value, name) < least:
        raise ValueError(f"{name} is {value}, below {least}")
    return int(value)


def _proper(kind: Any, value: Any, name: str) -> Any:
    """*value* if it is of *kind*."""
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise ValueError(f"{name} is {_shown(value)}, not {_WORDS.get(kind, kind)}")


_WORDS = {
    dict: "an object",
    list | tuple: "a list",
    str: "text",
    int: "a whole number",
    bool: "true or false",
    int | float: "a number",
}


def _shown(value: Any) -> str:
    if isinstance(value, dict | list | tuple):
        return "an object" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
