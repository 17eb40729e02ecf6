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

import argparse
import os
from pathlib import Path

HELP = "make a data folder from parallel text"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass prepare``."""
    parser.add_argument(
        "--text", metavar="DIR", required=True, help="folder of the parallel text"
    )
    parser.add_argument(
        "--out", metavar="DIR", required=True, help="data folder to make"
    )
    parser.add_argument(
        "--pairs",
        metavar="SRC-TGT,…",
        required=True,
        help="directions to prepare, such as de-en,en-de,de-nl",
    )
    parser.add_argument(
        "--test-pairs",
        metavar="SRC-TGT,…",
        help="directions of which only valid and test are prepared (zero-shot)",
    )
    parser.add_argument(
        "--through",
        metavar="LANG",
        help="a test pair X-Y without files of its own is made of X from X-LANG and Y "
        "from LANG-Y, whose LANG sides must be the same, line for line",
    )
    parser.add_argument(
        "--subword",
        choices=("sentencepiece", "bpe", "none"),
        default="sentencepiece",
        help="unigram SentencePiece (default); subword-nmt BPE, for text that is "
        "tokenised; or none, for text whose tokens are separated by spaces already",
    )
    parser.add_argument(
        "--vocab-size",
        metavar="N",
        type=int,
        help="pieces of the joint model (default 8000); with --subword none, keep only "
        "the N most frequent tokens",
    )
    parser.add_argument(
        "--character-coverage",
        metavar="SHARE",
        type=float,
        help="share of the characters that become pieces, the rest is unknown "
        "(SentencePiece, default 0.9995)",
    )
    parser.add_argument(
        "--spm-model",
        metavar="FILE",
        type=Path,
        help="use this SentencePiece model instead of training one",
    )
    parser.add_argument(
        "--dict",
        metavar="FILE",
        type=Path,
        help="use this dictionary, that of a pretrained model, instead of building one",
    )
    parser.add_argument(
        "--langs",
        metavar="FILE",
        type=Path,
        help="languages of that model in the order of their tokens, one a line, or its "
        "pairs of languages (default: those of the pairs; they number the tokens)",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=int,
        default=min(os.cpu_count() or 1, 8),
        help="processes (default: one per core, at most 8)",
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="start over, and replace what was prepared here with other options",
    )


def run(arguments: argparse.Namespace) -> int:
    """Prepare, and print what the folder holds."""
    from lass_plugin.data.preparation import Options, prepare
    from lass_plugin.languages import parse_pairs

    given = arguments.test_pairs
    test_pairs = [] if given is None else parse_pairs(given)
    langs: tuple[str, ...] = ()
    if arguments.langs is not None:
        from lass_plugin.data.language_tokens import read_language_list

        langs = read_language_list(arguments.langs)
    options = Options(
        pairs=tuple(parse_pairs(arguments.pairs)),
        subword=arguments.subword,
        vocab_size=arguments.vocab_size,
        character_coverage=arguments.character_coverage,
        spm_model=arguments.spm_model,
        dictionary=arguments.dict,
        test_pairs=tuple(test_pairs),
        through=arguments.through,
        langs=langs,
    )
    record = prepare(
        arguments.text, arguments.out, options, arguments.workers, arguments.fresh
    )
    if not record["done"]:
        print(f"{arguments.out} is prepared already; nothing to do")
        return 0
    print(
        f"{arguments.out}: {len(record['languages'])} languages, "
        f"{record['dictionary_size']} symbols"
    )
    for name, counts in record["counts"].items():
        print(_summary(name, counts))
    return 0


def _summary(name: str, counts: dict) -> str:
    """``train.de-en: 98 sentence pairs, 2 dropped (a side is empty)``."""
    text = f"{name}: {counts['kept']} sentence pairs"
    if dropped := counts["lines"] - counts["kept"]:
        text += f", {dropped} dropped (a side is empty)"
    for code, side in counts["languages"].items():
        if side["unknown"]:
            text += f", {side['unknown'] / side['tokens']:.2%} of {code} unknown"
    return text
