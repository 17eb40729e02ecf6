"""IWSLT 2014, TED talks: English with fa, pl, ar, he, nl, de, it and es.

    lass corpus iwslt14 ARCHIVES OUT

ARCHIVES has fa-en.tgz, pl-en.tgz, ar-en.tgz, he-en.tgz, nl-en.tgz, de-en.tgz, it-en.tgz
and es-en.tgz of WIT3's release 2014-01 (or 2014-01.tgz, which holds them all), or the
folders that these unpack to. Without options the text is as He 2023 and Lin 2021 have
it: Moses tokens, sides of 1 to 175 of them in a ratio of at most 1.5, each 23rd pair
for valid, the sets of 2010 to 2012 for test. LaSS also lower-cases (--case lower).
"""

from lass_plugin.cli.corpus import run
from lass_plugin.corpora.iwslt14 import Iwslt14Settings

HELP = "TED talks in English and eight languages (He 2023, Lin 2021)"
SETTINGS = Iwslt14Settings

__all__ = ["HELP", "SETTINGS", "run"]
