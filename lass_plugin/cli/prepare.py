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

from lass_plugin.data.cleaning import PAIRS
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
    for name, counts in record["counts"].items():
        print(_summary(name, counts, what))
    return 0


def _summary(name: str, counts: dict, what: str) -> str:
    """``train.de-en: 96 sentence pairs, 4 dropped (1 empty, 3 too long), 5 repeat``."""
    text, found = f"{name}: {counts['kept']} {what}", counts.get("cleaning", {})
    if dropped := counts["lines"] - counts["kept"]:
        reasons = {rule: n for rule, n in found.get("dropped", {}).items() if n}
        told = [f"{number} {rule}" for rule, number in reasons.items()]
        text += f", {dropped} dropped ({', '.join(told) or 'empty'})"
    if number := found.get("duplicates"):
        text += f", {number} of all repeat an earlier one"
    held_out = found.get("held_out", {})
    if number := sum(held_out.values()):
        text += f", {number} hold a sentence of valid or test"
        text += f" ({held_out[PAIRS]} both)"
    for code, side in counts["languages"].items():
        if side["unknown"]:
            text += f", {side['unknown'] / side['tokens']:.2%} of {code} unknown"
    return text
