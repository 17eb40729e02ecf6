"""What the prepared data hold of each pair and each language.

He 2023, Tables 4, 5 and 14; Cao 2024, Tables 5 and 6.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lass_plugin.data.amounts import Counts, short_count
from lass_plugin.data.parallel_text import SPLITS
from lass_plugin.language_names import name_of, script_of
from lass_plugin.languages import Pair, languages_of
from lass_plugin.records.table import Table
from lass_plugin.resource_types import TYPES

_HEADER = ("pair", "family", *SPLITS, "source tokens", "target tokens", "unknown")
_NOTES = (
    "both directions of a pair share its data; train, valid, test: sentence pairs; "
    "tokens: subwords of the first and of the second language in all splits, ends of "
    "sentences included",
    "unknown: share of the tokens that the dictionary lacks",
)


def data_table(
    counts: Counts, family_of: Callable[[str], str | None], centre: str = "en"
) -> Table:
    """Sentences and tokens of each pair, those of one family side by side.

    Pairs that are trained in neither direction (zero-shot) come last. Where both
    directions have test sets of their own (WMT since 2019), each is a line.

    Args:
        counts: see :func:`.amounts.read_counts`, with tokens.
        family_of: family of a language; None where it is unknown.
        centre: language whose family goes without saying.
    """
    pairs = dict.fromkeys(name.split(".", 1)[1] for name in counts)
    records = [_record(pair, counts, family_of, centre) for pair in pairs]
    trained = {
        frozenset((pair.source, pair.target))
        for pair in (Pair.parse(r["pair"]) for r in records if r["train"] is not None)
    }

    def place(record: dict[str, Any]) -> tuple[bool, str, str]:
        pair = Pair.parse(record["pair"])
        zero_shot = frozenset((pair.source, pair.target)) not in trained
        return zero_shot, record["family"] or "~", record["pair"]

    records.sort(key=place)
    rows = [
        (
            record["pair"],
            record["family"] or "–",
            *("–" if record[s] is None else f"{record[s]:,}" for s in SPLITS),
            *(short_count(record[f"{side}_tokens"]) for side in ("source", "target")),
            f"{100 * record['unknown']:.2f} %",
        )
        for record in records
    ]
    return Table(
        "data", "Data", _HEADER, tuple(rows), notes=_NOTES, records=tuple(records)
    )


def _record(
    pair: str, counts: Counts, family_of: Callable[[str], str | None], centre: str
) -> dict[str, Any]:
    languages = (Pair.parse(pair).source, Pair.parse(pair).target)
    present = {split: counts.get(f"{split}.{pair}") for split in SPLITS}
    tokens = {
        key: {
            language: sum(c["languages"][language][key] for c in present.values() if c)
            for language in languages
        }
        for key in ("tokens", "unknown")
    }
    families = [family_of(language) for language in languages if language != centre]
    everything = sum(tokens["tokens"].values())
    return {
        "pair": pair,
        "family": "; ".join(filter(None, families)) or None,
        **{split: None if c is None else c["kept"] for split, c in present.items()},
        "source_tokens": tokens["tokens"][languages[0]],
        "target_tokens": tokens["tokens"][languages[1]],
        "unknown": sum(tokens["unknown"].values()) / everything if everything else 0.0,
    }


Origins = Mapping[str, Mapping[str, Sequence[str]]]
"""Pair -> split -> the published files that it was taken from."""


def language_table(
    counts: Counts,
    family_of: Callable[[str], str | None],
    centre: str = "en",
    types: Mapping[str, str] | None = None,
    bitext: Mapping[str, float] | None = None,
    origins: Origins | None = None,
) -> Table:
    """Name, family, script and training data of each language.

    Args:
        counts, family_of: as in :func:`data_table`.
        centre: language with which a language's training sentences are counted, and the
            files that it was taken from are named.
        types: language -> resource type, for a column of these.
        bitext: language -> sentence pairs with English that there are in the world, for
            another one.
        origins: see :data:`Origins`, for columns of these.
    """
    pairs = {name.split(".", 1)[1] for name in counts}
    codes = languages_of([Pair.parse(pair) for pair in pairs])
    records: list[dict[str, Any]] = [
        {
            "language": code,
            "name": name_of(code),
            "family": family_of(code),
            "script": script_of(code),
            **({} if types is None else {"type": types.get(code)}),
            **({} if bitext is None else {"bitext": bitext.get(code)}),
            "train": _kept(counts, code, centre),
            **({} if origins is None else _origins(origins, code, centre)),
        }
        for code in codes
    ]
    order = {kind: str(number) for number, kind in enumerate(TYPES)}
    keys = ("family", "language")
    records.sort(
        key=lambda r: (order.get(r.get("type", ""), "~"), *(r[k] or "~" for k in keys))
    )
    return Table(
        "languages",
        "Languages",
        [name for name in records[0]],
        tuple(tuple(map(_cell, record.values())) for record in records),
        notes=(f"train: sentence pairs with {centre}",),
        records=tuple(records),
        left=4,
    )


def _kept(counts: Counts, code: str, centre: str) -> int | None:
    """Training sentences of the pair of *code* and *centre*."""
    for pair in (f"{code}-{centre}", f"{centre}-{code}"):
        if f"train.{pair}" in counts:
            kept: int = counts[f"train.{pair}"]["kept"]
            return kept
    return None


def _origins(origins: Origins, code: str, centre: str) -> dict[str, str | None]:
    """Split -> names of the files; what both sides of a text have in common."""
    for pair in (f"{code}-{centre}", f"{centre}-{code}"):
        if pair in origins:
            of = {split: origins[pair].get(split) or ["train"] for split in SPLITS}
            return {
                f"{split} from": "; ".join(map(_short, of[split])) for split in SPLITS
            }
    return {f"{split} from": None for split in SPLITS}


def _short(part: str) -> str:
    return os.path.commonprefix(part.split(", ")).rstrip("-_. ") or part


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return short_count(round(value))
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else value
