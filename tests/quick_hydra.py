"""hydra's making of a configuration in little of the time, as tests make thousands.

Words that were parsed are not parsed again, the repository of configurations is not
copied to its leaves, and the source of every calling function is not looked up. Where
fairseq makes a configuration of options, its parts (of which task, which optimizer and
so on) are put together once, and hydra writes the values of the options into a copy.
"""

import copy
import inspect
from functools import cache
from types import SimpleNamespace
from typing import Any

from fairseq.dataclass import utils as options
from hydra._internal import utils
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import Container, DictConfig, OmegaConf


def _quicken() -> None:
    stock = OverridesParser.parse_rule

    @cache
    def parsed(text: str, rule: str) -> Any:
        return stock(OverridesParser.create(), text, rule)

    def parse_rule(self: OverridesParser, text: str, rule: str) -> Any:
        return copy.copy(parsed(text, rule))  # who asks writes into it

    def begin(self: CachingConfigRepository, delegate: Any) -> None:
        self.delegate = copy.copy(delegate)  # only its list of sources is replaced
        self.cache = {}

    OverridesParser.parse_rule = parse_rule
    CachingConfigRepository.__init__ = begin
    without_source = {**vars(inspect), "stack": lambda: inspect.stack(0)[1:]}
    utils.inspect = SimpleNamespace(**without_source)


def _compose_once() -> None:
    stock = options.compose
    parts: dict[tuple, tuple] = {}

    def compose(name: str, overrides: list[str], strict: bool) -> DictConfig:
        chosen = [word for word in overrides if "." not in word.split("=")[0]]
        values = [word for word in overrides if "." in word.split("=")[0]]
        known = ConfigStore.instance().repo
        nodes = [
            known.get(group, {}).get(f"{value}.yaml")
            for group, value in (word.split("=", 1) for word in chosen)
        ]
        key = (name, *chosen, *map(id, nodes))
        if key not in parts:  # with the nodes, so that no other gets the id of one
            whole = stock(name, chosen, strict=True)
            parts[key] = whole, _plain(whole), nodes
        whole, plain, _ = parts[key]
        given = [
            override
            for override in OverridesParser.create().parse_overrides(values)
            if _as_text(override.value()) != plain.get(override.key_or_group)
        ]
        made = copy.deepcopy(whole)
        ConfigLoaderImpl._apply_overrides_to_config(given, made)
        OmegaConf.set_struct(made, strict)
        return made

    options.compose = compose


def _plain(whole: DictConfig) -> dict[str, str]:
    """The values in the parts of *whole* that are no lists and refer to no others."""
    return {
        f"{name}.{key}": _as_text(node._value())
        for name, part in whole._content.items()
        if isinstance(part, DictConfig) and isinstance(part._content, dict)
        for key, node in part._content.items()
        if not isinstance(node, Container) and not node._is_interpolation()
    }


def _as_text(value: Any) -> str:
    return f"{type(value)} {value!r}"


_quicken()
_compose_once()
