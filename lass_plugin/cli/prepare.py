"""Make a fairseq data folder from parallel text.

The text folder holds {train,valid,test}.SRC-TGT.LANG, plain or .gz, one sentence a
line, for any pairs of languages. The name may hold a pair in either order: de-en and
en-de can share train.de-en.de and train.de-en.en. Valid and test may be missing.
Pairs that are only translated, such as those of zero-shot, have no train:

    lass prepare --text DIR --out DATA --pairs de-en,en-de,en-fr,fr-en \\
        --test-pairs de-fr,fr-de --through en

Text for a pretrained model is encoded with the model's own files; nothing is learned:

    lass prepare --text DIR --out DATA --pairs en-oc,oc-en --dict m2m/dict.txt \\
        --spm-model m2m/sentencepiece.bpe.model --langs m2m/language_pairs.txt

One subword model and one dictionary serve all languages. Run it again and it does
nothing, or goes on where it was interrupted.
"""

from pathlib import Path

from lass_plugin.data.cleaning import DUPLICATE, EMPTY, LONG, OVERLAP, SHORT, UNEVEN
from lass_plugin.data.preparation_settings import PreparationSettings

HELP = "make a data folder from parallel text"
SETTINGS = PreparationSettings


def run(settings: PreparationSettings) -> int:
    """Prepare, and print what the folder holds."""
    from lass_plugin.data.preparation import prepare

    return report(settings.out, prepare(settings), "sentence pairs")


def report(out: Path, record: dict, what: str) -> int:
    """Print what a data folder holds.

    Args:
        record: of the preparation.
        what: a line of text is, in the plural.
    """
    if not record["done"]:
        print(f"{out} is prepared already; nothing to do")
        return 0
    print(
        f"{out}: {len(record['languages'])} languages, "
        f"{record['dictionary_size']} symbols"
    )
    kept = {rule for rule, option in _REMOVED_BY if not record["options"].get(option)}
    for name, counts in record["counts"].items():
        print(_summary(name, counts, what, kept))
    return 0


_REMOVED_BY = ((DUPLICATE, "drop-duplicates"), (OVERLAP, "drop-overlap"))
_WORDS = {
    EMPTY: "empty",
    SHORT: "too short",
    LONG: "too long",
    UNEVEN: "of too unequal lengths",
    OVERLAP: "with a sentence of valid or test",
    DUPLICATE: "repeated",
}


def _summary(name: str, counts: dict, what: str, kept: set[str]) -> str:
    """``train.de-en: 98 sentence pairs, 2 dropped (2 empty), 5 repeated``.

    Args:
        kept: rules by which nothing was dropped.
    """
    text = f"{name}: {counts['kept']} {what}"
    found = {rule: n for rule, n in counts.get("found", {}).items() if n}
    told = {rule: f"{number} {_WORDS[rule]}" for rule, number in found.items()}
    if dropped := counts["lines"] - counts["kept"]:
        reasons = [words for rule, words in told.items() if rule not in kept]
        text += f", {dropped} dropped ({', '.join(reasons) or 'empty'})"
    text += "".join(f", {words}" for rule, words in told.items() if rule in kept)
    for code, side in counts["languages"].items():
        if side["unknown"]:
            text += f", {side['unknown'] / side['tokens']:.2%} of {code} unknown"
    return text
