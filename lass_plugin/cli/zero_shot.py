"""Translate pairs that were never trained, without masks and under merged ones.

    lass zero-shot DATA --checkpoint joint/checkpoint_best.pt --out DIR

For X→Y the encoder takes the mask of X→en and the decoder that of en→Y, if the masks
are those of pairs with English (Lin 2021, §5.2.2); another language in between is found
or given with --through. All directions are translated in one process and scored with
BLEU, chrF and on-target accuracy, the share of translations in the target language. The
test sets of such pairs are made with 'lass prepare … --test-pairs'.

--ablation also translates with each encoder mask, then each decoder mask, of the other
languages in the place of the pair's own (Lin 2021, Table 5).

DIR gets zero_shot.json, .csv and .md (ablation.… likewise), the translations, and the
merged masks in DIR/masks for fairseq-generate --inference-masks.
"""

import argparse
import logging
from pathlib import Path

HELP = "translate pairs never trained under merged masks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass zero-shot``."""
    from lass_plugin.cli.evaluate import add_translation_arguments

    parser.add_argument("data", metavar="DATA", help="data folder")
    add = parser.add_argument_group("systems").add_argument
    add(
        "--checkpoint",
        metavar="FILE",
        type=Path,
        required=True,
        help="jointly trained checkpoint; its masks are merged",
    )
    add("--masks", metavar="MASKS", help="merge these instead (folder or files)")
    add(
        "--baseline",
        metavar="FILE",
        type=Path,
        help="a model trained without masks, to compare with",
    )
    add(
        "--pairs", metavar="X-Y,…", help="default: all that can be merged and have data"
    )
    add(
        "--through",
        metavar="LANG",
        help="the language in between (default: the only one possible)",
    )
    add(
        "--ablation",
        metavar="X-Y,…|all",
        help="replace the encoder, then the decoder mask of these pairs by each other",
    )
    add = parser.add_argument_group("test set and scores").add_argument
    add("--split", default="test", help="split of the data (default: test)")
    add("--limit", metavar="N", type=int, help="only the first N sentences of a pair")
    add("--references", metavar="DIR", help="folder of SPLIT.X-Y.Y (default: DATA/raw)")
    add("--tokenize", metavar="NAME", help="tokenizer of BLEU for all pairs")
    add(
        "--identifier",
        choices=("py3langid", "none"),
        default="py3langid",
        help="what identifies languages; none: no on-target accuracy",
    )
    add(
        "--identify-as",
        metavar="CODE=LANGUAGE",
        action="append",
        default=[],
        help="the identifier's name of the language CODE, where it does not know CODE",
    )
    add(
        "--among",
        choices=("all", "model"),
        default="all",
        help="identify among all languages of the identifier (default) or those of the "
        "model only",
    )
    add("--out", metavar="DIR", type=Path, help="folder for tables and translations")
    add_translation_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Translate, score, and print the tables."""
    # before fairseq is loaded, which would log at length to stderr
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    from lass_plugin.cli.evaluate import assignments
    from lass_plugin.languages import parse_pairs

    pairs = parse_pairs(arguments.pairs) if arguments.pairs is not None else []
    ablation = None
    if arguments.ablation is not None:
        every = arguments.ablation == "all"
        ablation = () if every else tuple(parse_pairs(arguments.ablation))
    names = assignments("--identify-as", "LANGUAGE", arguments.identify_as)

    from lass_plugin.errors import LassError
    from lass_plugin.evaluation.decoding import Decoding
    from lass_plugin.evaluation.zero_shot import Options, zero_shot
    from lass_plugin.evaluation.zero_shot_tables import render, write

    if arguments.identifier == "none" and (names or arguments.among != "all"):
        option = "--identify-as" if names else "--among"
        raise LassError(f"{option} has no effect with --identifier none; leave it out")
    options = Options(
        pairs=tuple(pairs),
        through=arguments.through,
        masks=arguments.masks,
        baseline=arguments.baseline,
        ablation=ablation,
        split=arguments.split,
        references=arguments.references,
        tokenize=arguments.tokenize,
        identifier=arguments.identifier,
        identify_as=tuple(names),
        among_model=arguments.among == "model",
    )
    decoding = {
        name: getattr(arguments, name) for name in Decoding.__dataclass_fields__
    }
    result = zero_shot(
        arguments.data,
        arguments.checkpoint,
        options,
        Decoding(**decoding),
        arguments.out,
    )
    print(render(result), end="")
    if arguments.out is not None:
        for path in write(result, arguments.out):
            print(path)
    return 0
