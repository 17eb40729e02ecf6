"""WMT's translation tasks: English with 18 languages (He 2023, Lin 2021).

    lass corpus wmt ARCHIVES OUT --pairs gu-en,tr-en,de-en

The languages are gu, ta, kk, tr, ro, es, fr, ps, fi, lv, et, lt, ru, cs, pl, ja, zh and
de. docs/corpora.md lists the files of each, which ARCHIVES holds as they were
published. Files of one name from different years go into folders of their years:
wmt16/dev.tgz, wmt19/test.tgz. Sets for valid and test may lie in another folder
(--sets), such as that of sacreBLEU, which 'sacrebleu -t wmt19 -l gu-en --echo src'
fills. An archive that was published in parts is put together first:
cat UNv1.0.en-zh.tar.gz.0* > UNv1.0.en-zh.tar.gz

Without options punctuation is normalised, Chinese simplified, repeated pairs dropped,
and sides have 1 to 256 tokens in a ratio of at most 3; a token is a word, or a
character of Chinese and Japanese. Valid and test are of the same form.
"""

from lass_plugin.cli.corpus import run
from lass_plugin.corpora.wmt import WmtSettings

HELP = "English with 18 languages of WMT (He 2023, Lin 2021)"
SETTINGS = WmtSettings

__all__ = ["HELP", "SETTINGS", "run"]
