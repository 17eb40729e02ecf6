"""Translate a test set with several systems and compare their scores.

    lass evaluate DATA --system baseline=base.pt --system sub-networks=joint.pt

The first system is the baseline. Every pair is translated under its own mask, which a
jointly trained checkpoint carries; all pairs are done in one process. References are
the untouched text in DATA/raw, where lass prepare has put it.
"""

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Sequence

if TYPE_CHECKING:
    from lass_plugin.evaluation.systems import System

HELP = "translate all pairs with several systems, score and compare them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass evaluate``."""
    parser.add_argument("data", metavar="DATA", help="data folder")
    add = parser.add_argument_group("systems").add_argument
    add(
        "--system",
        metavar="NAME=CHECKPOINT",
        action="append",
        required=True,
        help="a system; give it again for more, the baseline first",
    )
    add(
        "--inference-masks",
        metavar="NAME=MASKS",
        action="append",
        default=[],
        help="translate with the masks of this folder, checkpoint or these files "
        "(separated by commas) instead of those that the system's checkpoint carries",
    )
    add(
        "--dense",
        metavar="NAME",
        action="append",
        default=[],
        help="translate without the masks of the checkpoint",
    )
    add_base(add)
    add = parser.add_argument_group("test set and scores").add_argument
    add(
        "--pairs",
        metavar="SRC-TGT,…",
        help="pairs to evaluate (default: those that the baseline was trained on)",
    )
    add("--split", default="test", help="split of the data (default: test)")
    add(
        "--limit",
        metavar="N",
        type=int,
        help="only the first N sentences of every pair",
    )
    add(
        "--references",
        metavar="DIR",
        help="folder of the references, SPLIT.SRC-TGT.LANG (default: DATA/raw, else "
        "the text of the dictionary)",
    )
    add(
        "--tokenize",
        metavar="NAME",
        help="tokenizer of BLEU for all pairs (default: 13a, or that of the language); "
        "flores101 makes it the spBLEU of Goyal 2022 and Cao 2024",
    )
    add(
        "--metrics",
        metavar="NAME,…",
        default="",
        help="further metrics beside BLEU and chrF: spBLEU (sacreBLEU downloads its "
        "model once), COMET (needs the extra comet and a model)",
    )
    add(
        "--comet-model",
        metavar="NAME",
        help="model of COMET, a name of the hub or a .ckpt file (default: "
        "Unbabel/wmt22-comet-da)",
    )
    add(
        "--out",
        metavar="DIR",
        help="folder for scores.json, .csv and .md, the translations with their "
        "sources and references, and run.json",
    )
    add_translation_arguments(parser)


def add_translation_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how to translate, but for ``--limit``."""
    add = parser.add_argument_group("translation").add_argument
    add("--beam", metavar="N", type=int, default=5, help="beam (default: 5)")
    add(
        "--lenpen",
        metavar="X",
        type=float,
        default=1.0,
        help="length penalty; above 1 favours longer translations (default: 1)",
    )
    add(
        "--max-len-a",
        metavar="A",
        type=float,
        default=0.0,
        help="a translation has at most A × source + B tokens (default: 0)",
    )
    add("--max-len-b", metavar="B", type=int, default=200, help="(default: 200)")
    add(
        "--max-tokens",
        metavar="N",
        type=int,
        default=4096,
        help="source tokens in a batch (default: 4096)",
    )
    add(
        "--truncate-source",
        action="store_true",
        help="cut sources that are too long for the model instead of refusing them",
    )
    add(
        "--remove-bpe",
        choices=("auto", "sentencepiece", "subword_nmt", "none"),
        default="auto",
        help="how tokens become text (default: auto, by what DATA holds)",
    )
    add("--cpu", action="store_true", help="do not use the GPU")
    add("--fp16", action="store_true", help="weights in float16 (GPU)")
    add(
        "--bf16-autocast",
        action="store_true",
        help="multiply in bfloat16, weights in float32 (CPU and GPU)",
    )


def add_base(add: Callable[..., Any]) -> None:
    """Add ``--base`` of commands that take systems."""
    add(
        "--base",
        metavar="NAME=FILE",
        action="append",
        default=[],
        help="the base of a system of low-rank modules, where it is no longer where it "
        "was in training",
    )


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, and print the tables."""
    # before fairseq is loaded, which would log at length to stderr
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    systems = systems_of(
        *(arguments.system, arguments.inference_masks),
        *(arguments.dense, arguments.base),
    )
    from lass_plugin.languages import parse_pairs

    pairs = None if arguments.pairs is None else parse_pairs(arguments.pairs)

    from lass_plugin.evaluation.choice import Choice, parse_further
    from lass_plugin.evaluation.decoding import Decoding
    from lass_plugin.evaluation.evaluation import evaluate
    from lass_plugin.evaluation.report import render

    options = {name: getattr(arguments, name) for name in Decoding.__dataclass_fields__}
    decoding = Decoding(**options)
    further = parse_further(arguments.metrics) if arguments.metrics else ()
    result = evaluate(
        arguments.data,
        systems,
        pairs,
        arguments.split,
        arguments.out,
        decoding,
        arguments.references,
        choice=Choice.make(
            further,
            arguments.tokenize,
            arguments.comet_model,
            gpu=decoding.device.type == "cuda",
        ),
    )
    print(render(result.report))
    for name, speed in result.speeds.items():
        print(
            f"{name}: {speed.sentences} sentences in {speed.seconds:.1f} s "
            f"({speed.sentences_per_second:.0f} sentences/s, "
            f"{speed.tokens_per_second:.0f} tokens/s)"
        )
    if arguments.out is not None:
        print(f"written to {arguments.out}")
    return 0


def systems_of(
    system: list[str],
    inference_masks: list[str],
    dense: Sequence[str] = (),
    base: Sequence[str] = (),
) -> "list[System]":
    """The systems that ``--system``, ``--inference-masks``, ``--dense`` and ``--base``
    describe."""
    from lass_plugin.errors import LassError
    from lass_plugin.evaluation.systems import System, check_names

    checkpoints = assignments("--system", "CHECKPOINT", system)
    masks = assignments("--inference-masks", "MASKS", inference_masks)
    bases = assignments("--base", "FILE", base)
    names = [name for name, _ in checkpoints]
    for option, given in (
        ("--inference-masks", [name for name, _ in masks]),
        ("--dense", dense),
        ("--base", [name for name, _ in bases]),
    ):
        for name in given:
            if name not in names:
                raise LassError(
                    f"{option} names the system '{name}', but the systems are "
                    f"{', '.join(names)}"
                )
            if given.count(name) > 1:
                raise LassError(f"{option} is given twice for {name}; keep one")
    places = {name: Path(path) for name, path in bases}
    systems = [
        System(
            *(name, Path(path), dict(masks).get(name)), name in dense, places.get(name)
        )
        for name, path in checkpoints
    ]
    check_names(systems)
    return systems


def assignments(option: str, what: str, items: Sequence[str]) -> list[tuple[str, str]]:
    """Read ``NAME=VALUE`` items."""
    from lass_plugin.errors import LassError

    pairs = []
    for item in items:
        name, equals, value = item.partition("=")
        if not (name and equals and value):
            raise LassError(f"{option} {item} is not of the form NAME={what}")
        pairs.append((name, value))
    return pairs
