"""The quick start: from nothing to masks, models and their scores on real text.

The recipe says how long, the corpus what on, the phases do it, the closing shows it.
"""

from lass_plugin.experiments.quickstart.recipe import Recipe
from lass_plugin.experiments.quickstart.run import quickstart

__all__ = ["Recipe", "quickstart"]
