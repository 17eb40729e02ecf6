"""The quick start: from nothing to masks, models and their scores on real text.

The recipe says how long, the corpus what on, the phases do it, the closing shows it.
"""
