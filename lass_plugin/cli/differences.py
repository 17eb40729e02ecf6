"""Keep the sparse differences of trainings alone, in one file to translate with.

    lass differences sparse/checkpoint_last.pt --half --out differences.pt
    lass differences older.pt newer.pt --out all.pt
    lass differences all.pt --keys source@de,target@en --out de-en.pt

CHECKPOINT is of --task translation_sparse_tuning. Those of several trainings must be to
the same base, of different languages or pairs. The result holds values and positions
but no optimizer; with --half a value takes 16 bits. The base is needed to translate.
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.files import ends_in
from lass_plugin.settings import Settings, argument, option, required, switch

HELP = "keep sparse differences of trainings alone, in one file"


@dataclass(frozen=True, kw_only=True)
class DifferenceSettings(Settings):
    """Which differences are kept, how, and where they go."""

    checkpoints: tuple[Path, ...] = argument(
        "checkpoint with sparse differences", metavar="CHECKPOINT", nargs="+"
    )
    out: Path = required("checkpoint to write", metavar="FILE", check=ends_in(".pt"))
    keys: tuple[str, ...] = option(
        (), "keep only these, such as source@de (default: all)", metavar="KEY,…"
    )
    half: bool = switch("store values in half precision")


SETTINGS = DifferenceSettings


def run(settings: DifferenceSettings) -> int:
    """Join, write, and say what a weight takes."""
    from lass_plugin.checkpoints.torch_files import save_tensors
    from lass_plugin.methods.sparse_tuning.joining import join
    from lass_plugin.records.text_tables import print_table

    joined = join(settings.checkpoints, settings.keys, settings.half)
    save_tensors(settings.out, joined.content)
    rows = [["difference", "weights", "of all", "bits a weight"]]
    whole = sum(joined.entry.units.values())
    for key, bits in joined.bits.items():
        count = joined.entry.count(key)
        rows.append([key, f"{count:,}", f"{count / whole:.1%}", f"{bits:.2f}"])
    print_table(rows)
    print(f"base: {joined.entry.base}")
    print(f"written to {settings.out}")
    return 0
