"""Count the parameters of low-rank modules before they are trained.

    lass lslo count 615m --ranks '2;2;8' '8;8;8'
    lass lslo count base.pt --ranks 8 --languages de,en,nl --matrices fc1,fc2

MODEL is a checkpoint, 615m or 175m (the published M2M-124 models) or an architecture of
fairseq. Two counts are shown: of the modules as they are, and with every matrix counted
as square, by its smaller side, as Tables 1, 2 and 4 of Cao 2024 do. There fc1 and fc2,
of 4,096 x 1,024, are counted as 1,024 x 1,024. Pruned weights are counted, too.
"""

from dataclasses import dataclass

from lass_plugin.resource_types import LANG12, parse_languages
from lass_plugin.settings import Settings, argument, option, required

HELP = "parameters of low-rank modules of given ranks, counted in both ways"


@dataclass(frozen=True, kw_only=True)
class CountSettings(Settings):
    """The model, and the modules that stand in it."""

    model: str = argument(
        "checkpoint of the base, 615m, 175m, or an architecture", metavar="MODEL"
    )
    ranks: tuple[str, ...] = required(
        "one or several of: 8 for all, 2;2;8 by resource type, de=2,or=8",
        metavar="RANKS",
        nargs="+",
    )
    languages: tuple[str, ...] = option(
        LANG12,
        "lang12 or lang30 of the paper, or de,en,… (default: lang12)",
        metavar="LIST",
        parse=parse_languages,
    )
    resource_types: str | None = option(
        None,
        "'H=en,fr;M=nl;V=oc', or a file with a language and its type on each line "
        "(default: those of FLORES-101)",
        metavar="TYPES",
    )
    matrices: tuple[str, ...] | None = option(
        None,
        "matrices that modules stand beside (default: q,k,v,c-q,c-k,c-v,fc1,fc2)",
        metavar="NAME,…",
        parse="lass_plugin.anatomy.matrices:parse_kinds",
    )
    placement: str | None = option(
        None,
        "as for --lslo-placement; with 'learn' there are twice as many modules",
        metavar="RULE",
    )


SETTINGS = CountSettings


def run(settings: CountSettings) -> int:
    """Print a row for each choice of ranks."""
    from lass_plugin.anatomy.matrices import DEFAULT_KINDS, find_matrices
    from lass_plugin.anatomy.places import count_layers
    from lass_plugin.methods.lowrank.planning.placement import DEFAULT, parse_placement
    from lass_plugin.methods.lowrank.planning.plan import count_parameters, uniform
    from lass_plugin.methods.lowrank.planning.shapes import read_shape
    from lass_plugin.records.text_tables import print_table
    from lass_plugin.resource_types import parse_types, spread

    languages = settings.languages
    by_type = any(";" in text for text in settings.ranks)
    types = parse_types(settings.resource_types, languages) if by_type else None
    tensors = read_shape(settings.model)
    matrices = find_matrices(tensors, settings.matrices or DEFAULT_KINDS)
    placement = parse_placement(settings.placement or DEFAULT, count_layers(tensors))
    whole = sum(tensor.numel() for tensor in tensors.values())
    print(f"{settings.model}: {whole:,} parameters; {len(languages)} languages")
    rows = [["ranks", "parameters", "of the model", "if square", "of the model"]]
    for text in settings.ranks:
        plan = uniform(matrices, spread(text, languages, types, "--ranks"), placement)
        plan.check_model(matrices)
        rows.append([text])
        for square in (False, True):
            count = count_parameters(plan, matrices, square)
            rows[-1] += [f"{count:,}", f"{count / whole:.2%}"]
    print_table(rows)
    return 0
