"""Europarl v7: English with cs, fi, el, hu, lt, lv, pl, pt, sk, sl, sv, es (Xie 2021).

    lass corpus europarl ARCHIVES OUT

ARCHIVES has cs-en.tgz and so on of Europarl's release 7, and devsets.tgz (WMT 2007) or
dev.tgz (later years) with dev2006.LANG and devtest2006.LANG. As in the paper 600,000
pairs are drawn of each, tokenised and truecased; languages without these sets get 1,000
further pairs for valid and for test. --sets says which languages have them. In the
archives of 2006 and 2007 these sets are in Latin-1: --sets-encoding latin-1.
"""

from lass_plugin.cli.corpus import run
from lass_plugin.corpora.europarl import EuroparlSettings

HELP = "English to twelve languages of the Parliament (Xie 2021)"
SETTINGS = EuroparlSettings

__all__ = ["HELP", "SETTINGS", "run"]
