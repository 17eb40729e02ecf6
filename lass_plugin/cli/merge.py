"""Merge masks for a pair that was never searched (zero-shot; Lin 2021, §5.2.2).

The encoder's matrices come from one mask, the decoder's (with its attention to the
encoder) from another:

    lass merge --encoder fr-en.safetensors --decoder en-zh.safetensors --pair fr-zh \\
        --out fr-zh.safetensors

For many pairs X→Y, taking X→en and en→Y from a folder of masks or a joint checkpoint:

    lass merge --from MASKS --pairs fr-zh,zh-fr --through en --out DIR
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.settings import Settings, given, option, required

HELP = "merge the masks of two pairs for a zero-shot pair"

_ONE = "one pair"
_MANY = "many pairs"


@dataclass(frozen=True, kw_only=True)
class MergeSettings(Settings):
    """What is merged, and where it goes."""

    encoder: Path | None = option(
        None, "mask file of X→pivot", metavar="FILE", group=_ONE
    )
    decoder: Path | None = option(
        None, "mask file of pivot→Y", metavar="FILE", group=_ONE
    )
    pair: Pair | None = option(
        None, "the pair that the result is for", metavar="X-Y", group=_ONE
    )
    source: Path | None = option(
        None,
        "folder of masks, or jointly trained checkpoint",
        flags="--from",
        metavar="MASKS",
        group=_MANY,
    )
    pairs: tuple[Pair, ...] = option(
        (), "pairs to make masks for", metavar="X-Y,…", group=_MANY, parse=parse_pairs
    )
    through: str | None = option(
        None, "the language in between", metavar="LANG", group=_MANY
    )
    out: Path = required(
        "mask file to write, or folder for many pairs", metavar="PLACE"
    )

    def check(self) -> None:
        super().check()
        if set(given(self)) not in (
            {"encoder", "decoder", "pair"},
            {"source", "pairs", "through"},
        ):
            raise LassError(
                "give --encoder, --decoder and --pair for one pair, or --from, --pairs "
                "and --through for many, and not options of both"
            )


SETTINGS = MergeSettings


def run(settings: MergeSettings) -> int:
    """Merge, and print what each result was merged from."""
    from lass_plugin.masks import MaskSet, load_mask, save_mask
    from lass_plugin.masks.file import mask_files, masks_at
    from lass_plugin.masks.merge import merge, merge_through

    if settings.encoder and settings.decoder and settings.pair:
        pair = settings.pair
        encoder, decoder = load_mask(settings.encoder), load_mask(settings.decoder)
        if Pair.parse(encoder.key).source != pair.source:
            raise LassError(
                f"--encoder {settings.encoder} is the mask of {encoder.key}, whose "
                f"encoder does not read {pair.source}, the source of {pair}"
            )
        if Pair.parse(decoder.key).target != pair.target:
            raise LassError(
                f"--decoder {settings.decoder} is the mask of {decoder.key}, whose "
                f"decoder does not write {pair.target}, the target of {pair}"
            )
        between = Pair.parse(encoder.key).target, Pair.parse(decoder.key).source
        if between[0] != between[1]:
            raise LassError(
                f"--encoder {settings.encoder} is the mask of {encoder.key} and "
                f"--decoder {settings.decoder} that of {decoder.key}, which have no "
                f"language in between; give masks of {pair.source}-X and "
                f"X-{pair.target}"
            )
        merged = MaskSet([merge(encoder, decoder, str(pair))])
    else:
        assert settings.source and settings.through  # or check has refused it
        masks = masks_at(settings.source)
        merged = merge_through(masks, settings.pairs, settings.through)
    files = mask_files(settings.out, merged, single=settings.pair is not None)
    for key, mask in merged.items():
        save_mask(files[key], mask)
        print(f"{key}: {mask.provenance.note} -> {files[key]}")
    return 0
