"""Make parallel text for 'lass prepare' from the archives of the papers' data sets.

    lass corpus iwslt14 ARCHIVES OUT
    lass prepare --text OUT --out DATA --subword bpe --merges 30000 --pairs …

iwslt14    TED talks in English and eight languages (He 2023, Lin 2021)
opus100    English with 99 languages, and tests for zero-shot (Lin 2021)
iwslt17    TED talks, many-to-many (Xie 2021)
flores     101 languages in all directions (Cao 2024)
europarl   English to twelve languages of the Parliament (Xie 2021)
wmt        English with 18 languages of WMT's tasks (He 2023, Lin 2021)

ARCHIVES is a folder with the archives as they were published, or with what they hold,
at any depth. OUT gets {train,valid,test}.SRC-TGT.LANG and corpus.json: what was taken
from which files, what each rule dropped, what is repeated and what valid and test hold
of the training text. Run it again and it does nothing, or goes on where it was
interrupted. 'lass corpus CORPUS --help' names the archives of each.
"""

import sys

from lass_plugin.corpora.settings import CorpusSettings

HELP = "parallel text from the archives of the papers' data sets"

MODES = {
    "iwslt14": "corpus_iwslt14",
    "opus100": "corpus_opus100",
    "iwslt17": "corpus_iwslt17",
    "flores": "corpus_flores",
    "europarl": "corpus_europarl",
    "wmt": "corpus_wmt",
}


def run(settings: CorpusSettings) -> int:
    """Make a corpus, and print what it holds."""
    from lass_plugin.corpora.building import build
    from lass_plugin.experiments.corpus_making import make, warn

    record = make(settings, build)
    if not record["done"]:
        print(f"{settings.out} is made already; nothing to do")
        return 0
    for pair, counts in record["pairs"].items():
        for split in ("train", "valid", "test"):
            if split in counts:
                print(_summary(f"{split}.{pair}", counts[split]))
    for pair, counts in record["pairs"].items():
        if absent := counts["absent"]:
            more = f" and {len(absent) - 1} more parts" if len(absent) > 1 else ""
            print(f"note: {pair} is made without {absent[0]}{more}", file=sys.stderr)
    warn(settings, record)
    return 0


def _summary(name: str, counts: dict) -> str:
    """What became of a split: ``train.de-en: 98 pairs, 2 dropped (uneven 2)``."""
    text = f"{name}: {counts['kept']} pairs"
    dropped = {rule: number for rule, number in counts["dropped"].items() if number}
    if dropped:
        parts = ", ".join(f"{rule} {number}" for rule, number in dropped.items())
        text += f", {sum(dropped.values())} dropped ({parts})"
    if counts["duplicates"]:
        text += f", {counts['duplicates']} repeated"
    held = counts["held_out"]
    if held["pairs"] or held["sides"]:
        text += f", {held['pairs']} also in valid or test, {held['sides']} by one side"
    return text
