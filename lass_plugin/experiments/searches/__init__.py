"""Phase 2 for every pair: one search after another, or many at once.

Settings say what is wanted, :mod:`.launching` runs a training for each pair, and
results are read from their checkpoints.
"""

from lass_plugin.experiments.searches.results import SearchResult
from lass_plugin.experiments.searches.searches import run_searches, search_commands
from lass_plugin.experiments.searches.settings import SearchSettings

__all__ = ["SearchResult", "SearchSettings", "run_searches", "search_commands"]
