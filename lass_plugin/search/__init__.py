"""Phase 2 for every pair: one search after another, or many at once.

Settings say what is wanted, :mod:`lass_plugin.launching` runs a training for each pair,
and results are read from their checkpoints.
"""

from lass_plugin.search.results import SearchResult
from lass_plugin.search.searches import run_searches, search_commands
from lass_plugin.search.settings import SearchSettings

__all__ = ["SearchResult", "SearchSettings", "run_searches", "search_commands"]
