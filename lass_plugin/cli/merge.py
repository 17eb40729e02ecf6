"""Merge masks for a pair that was never searched (zero-shot; Lin 2021, §5.2.2).

The encoder's matrices come from one mask, the decoder's (with its attention to the
encoder) from another:

    lass merge --encoder fr-en.safetensors --decoder en-zh.safetensors --pair fr-zh \\
        --out fr-zh.safetensors

For many pairs X→Y, taking X→en and en→Y from a folder of masks or a joint checkpoint:

    lass merge --from MASKS --pairs fr-zh,zh-fr --through en --out DIR
"""

import argparse
from pathlib import Path

HELP = "merge the masks of two pairs for a zero-shot pair"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass merge``."""
    one = parser.add_argument_group("one pair")
    one.add_argument(
        "--encoder", metavar="FILE", type=Path, help="mask file of X→pivot"
    )
    one.add_argument(
        "--decoder", metavar="FILE", type=Path, help="mask file of pivot→Y"
    )
    one.add_argument("--pair", metavar="X-Y", help="the pair that the result is for")
    many = parser.add_argument_group("many pairs")
    many.add_argument(
        "--from",
        dest="source",
        metavar="MASKS",
        type=Path,
        help="folder of masks, or jointly trained checkpoint",
    )
    many.add_argument("--pairs", metavar="X-Y,…", help="pairs to make masks for")
    many.add_argument("--through", metavar="LANG", help="the language in between")
    parser.add_argument(
        "--out",
        metavar="PLACE",
        type=Path,
        required=True,
        help="mask file to write, or folder for many pairs",
    )


def run(arguments: argparse.Namespace) -> int:
    """Merge, and print what each result was merged from."""
    from lass_plugin.errors import LassError
    from lass_plugin.languages import Pair, parse_pairs
    from lass_plugin.masks import MaskSet, load_mask, save_mask
    from lass_plugin.masks.file import SUFFIX
    from lass_plugin.masks.merge import merge, merge_through
    from lass_plugin.masks.places import masks_at

    one = ("encoder", "decoder", "pair")
    many = ("source", "pairs", "through")
    given = {name for name in one + many if getattr(arguments, name)}
    if given == set(one):
        pair = Pair.parse(arguments.pair)
        encoder, decoder = load_mask(arguments.encoder), load_mask(arguments.decoder)
        if Pair.parse(encoder.key).source != pair.source:
            raise LassError(
                f"--encoder {arguments.encoder} is the mask of {encoder.key}, whose "
                f"encoder does not read {pair.source}, the source of {pair}"
            )
        if Pair.parse(decoder.key).target != pair.target:
            raise LassError(
                f"--decoder {arguments.decoder} is the mask of {decoder.key}, whose "
                f"decoder does not write {pair.target}, the target of {pair}"
            )
        merged = MaskSet([merge(encoder, decoder, str(pair))])
    elif given == set(many):
        merged = merge_through(
            masks_at([arguments.source]),
            parse_pairs(arguments.pairs),
            arguments.through,
        )
    else:
        raise LassError(
            "give --encoder, --decoder and --pair for one pair, or --from, --pairs and "
            "--through for many, and not options of both"
        )
    single = len(given & set(one)) > 0 or arguments.out.suffix == SUFFIX
    if single and len(merged) > 1:
        raise LassError(f"--out {arguments.out} is one file; give a folder for many")
    if single and arguments.out.suffix != SUFFIX:
        raise LassError(f"--out {arguments.out} must be a file that ends in {SUFFIX}")
    for key, mask in merged.items():
        target = arguments.out if single else arguments.out / f"{key}{SUFFIX}"
        save_mask(target, mask)
        print(f"{key}: {mask.provenance.note} -> {target}")
    return 0
