"""hydra's making of a configuration in half of the time, of which tests make hundreds.

Words that were parsed are not parsed again, the repository of configurations is not
copied to its leaves, and the source of every calling function is not looked up.
"""

import copy
import inspect
from functools import cache
from types import SimpleNamespace
from typing import Any

from hydra._internal import utils
from hydra._internal.config_repository import CachingConfigRepository
from hydra.core.override_parser.overrides_parser import OverridesParser


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


_quicken()
