"""IWSLT 2017's multilingual task, TED talks: it-en, ro-en, nl-en, it-ro (Xie 2021).

    lass corpus iwslt17 ARCHIVES OUT

ARCHIVES has DeEnItNlRo-DeEnItNlRo.tgz of WIT3's release 2017-01-trnmted (or
2017-01-trnmted.tgz, which holds it), and it-en.tgz, en-it.tgz, ro-en.tgz, en-ro.tgz,
nl-en.tgz, en-nl.tgz, it-ro.tgz, ro-it.tgz of 2017-01-mted-test (or
2017-01-mted-test.tgz with all of them). Xie 2021 names test2016 for validation, which
these languages do not have: tst2010 takes its place (--valid-set). test is tst2017.
"""

from lass_plugin.cli.corpus import run
from lass_plugin.corpora.iwslt17 import Iwslt17Settings

HELP = "TED talks, many-to-many (Xie 2021)"
SETTINGS = Iwslt17Settings

__all__ = ["HELP", "SETTINGS", "run"]
