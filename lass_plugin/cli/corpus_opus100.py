"""OPUS-100: English with 99 languages; tests of 15 pairs without English.

    lass corpus opus100 ARCHIVES OUT --pairs de-en,en-fr
    lass corpus opus100 ARCHIVES OUT --splits test --pairs fr-zh,de-ru

ARCHIVES has opus-100-corpus-v1.0.tar.gz, or opus-100-corpus-PAIR-v1.0.tar.gz of each
pair and opus-100-corpus-zeroshot-v1.0.tar.gz, or the folder opus-100-corpus that they
unpack to. Pairs are named in alphabetical order of their languages, as there. Nothing
is cleaned or tokenised without options. an, dz, hy, mn and yo have training text alone;
the pairs of ar, de, fr, nl, ru and zh, which Lin 2021 takes for zero-shot, have test
alone.
"""

from lass_plugin.cli.corpus import run
from lass_plugin.corpora.opus100 import Opus100Settings

HELP = "English with 99 languages, and tests for zero-shot (Lin 2021)"
SETTINGS = Opus100Settings

__all__ = ["HELP", "SETTINGS", "run"]
