"""Settings as plain values: for reports, and for the identity of a stage."""

from pathlib import Path
from typing import Any

from lass_plugin.settings import REMAINDER, Settings, each_option, flag_of, own_options


def record(settings: Settings) -> dict[str, Any]:
    """All options and their values, as JSON can hold them (paths as text)."""
    names = [one.name for one, _ in own_options(settings)]
    return {name: _plain(getattr(settings, name)) for name in names}


def identity(settings: Settings) -> dict[str, Any]:
    """Option (without dashes) -> value of those that results depend on.

    Paths and flags that are passed on are left out: what files hold and what flags mean
    is for a stage to say.
    """
    return {
        option_of(settings, one.name): _plain(value)
        for one, declared, value in each_option(settings)
        if declared.matters and declared.nargs != REMAINDER and not _names_files(value)
    }


def option_of(settings: Settings | type[Settings], name: str) -> str:
    """The option of field *name* without dashes, as :func:`identity` calls it."""
    return flag_of(settings, name).lstrip("-")


def _names_files(value: Any) -> bool:
    words = value if isinstance(value, tuple) else (value,)
    return any(isinstance(word, Path) for word in words)


def _plain(value: Any) -> Any:
    if isinstance(value, Settings):
        return record(value)
    if isinstance(value, (tuple, list)):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
