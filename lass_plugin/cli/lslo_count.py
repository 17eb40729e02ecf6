"""Count the parameters of low-rank modules before they are trained.

    lass lslo count 615m --ranks '2;2;8' '8;8;8'
    lass lslo count base.pt --ranks 8 --languages de,en,nl --matrices fc1,fc2

MODEL is a checkpoint, 615m or 175m (the published M2M-124 models) or an architecture of
fairseq. Two counts are shown: of the modules as they are, and with every matrix counted
as square, by its smaller side, as Tables 1, 2 and 4 of Cao 2024 do. There fc1 and fc2,
of 4,096 x 1,024, are counted as 1,024 x 1,024. Pruned weights are counted, too.
"""

import argparse

HELP = "parameters of low-rank modules of given ranks, counted in both ways"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass lslo count``."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="checkpoint of the base, 615m, 175m, or an architecture",
    )
    parser.add_argument(
        "--ranks",
        metavar="RANKS",
        nargs="+",
        required=True,
        help="one or several of: 8 for all, 2;2;8 by resource type, de=2,or=8",
    )
    parser.add_argument(
        "--languages",
        metavar="LIST",
        default="lang12",
        help="lang12 or lang30 of the paper, or de,en,… (default: lang12)",
    )
    parser.add_argument(
        "--resource-types",
        metavar="TYPES",
        help="'H=en,fr;M=nl;V=oc', or a file with a language and its type on each line "
        "(default: those of FLORES-101)",
    )
    parser.add_argument(
        "--matrices",
        metavar="NAME,…",
        help="matrices that modules stand beside (default: q,k,v,c-q,c-k,c-v,fc1,fc2)",
    )
    parser.add_argument(
        "--placement",
        metavar="RULE",
        help="as for --lslo-placement; with 'learn' there are twice as many modules",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print a row for each choice of ranks."""
    from lass_plugin.anatomy.matrices import (
        DEFAULT_KINDS,
        count_layers,
        find_matrices,
        parse_kinds,
    )
    from lass_plugin.methods.lowrank.planning.placement import DEFAULT, parse_placement
    from lass_plugin.methods.lowrank.planning.plan import count_parameters, uniform
    from lass_plugin.methods.lowrank.planning.shapes import read_shape
    from lass_plugin.records.text_tables import print_table
    from lass_plugin.resource_types import (
        parse_languages,
        parse_types,
        spread,
    )

    languages = parse_languages(arguments.languages)
    by_type = any(";" in text for text in arguments.ranks)
    types = parse_types(arguments.resource_types, languages) if by_type else None
    tensors = read_shape(arguments.model)
    kinds = parse_kinds(arguments.matrices or DEFAULT_KINDS)
    matrices = find_matrices(tensors, kinds)
    placement = parse_placement(arguments.placement or DEFAULT, count_layers(tensors))
    whole = sum(tensor.numel() for tensor in tensors.values())
    print(f"{arguments.model}: {whole:,} parameters; {len(languages)} languages")
    rows = [["ranks", "parameters", "of the model", "if square", "of the model"]]
    for text in arguments.ranks:
        plan = uniform(matrices, spread(text, languages, types, "--ranks"), placement)
        plan.check_model(matrices)
        counts = [count_parameters(plan, matrices, square) for square in (False, True)]
        shown = ((f"{count:,}", f"{count / whole:.2%}") for count in counts)
        rows.append([text, *(cell for pair in shown for cell in pair)])
    print_table(rows)
    return 0
