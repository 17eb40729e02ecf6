"""What the prepared data hold of each pair (He 2023, Tables 4 and 5)."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lass_plugin.data.amounts import short_count
from lass_plugin.data.data_folder import RECORD
from lass_plugin.data.parallel_text import SPLITS
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.records.table import Table

_HEADER = ("pair", "family", *SPLITS, "source tokens", "target tokens", "unknown")
_NOTES = (
    "both directions of a pair share its data; train, valid, test: sentence pairs; "
    "tokens: subwords of the first and of the second language in all splits, ends of "
    "sentences included",
    "unknown: share of the tokens that the dictionary lacks",
)

_TOKENS = ("tokens", "unknown")

Counts = Mapping[str, Mapping[str, Any]]


def read_counts(folder: str | os.PathLike) -> Counts:
    """``train.de-en`` → ``kept`` sentences; of each language ``tokens``, ``unknown``.

    Args:
        folder: of ``lass prepare``.

    Raises:
        LassError: it is none, or its record is damaged.
    """
    path = Path(folder) / RECORD
    if not path.is_file():
        raise LassError(f"{folder} has no {RECORD}; give a folder of 'lass prepare'")
    try:
        counts = json.loads(path.read_text(encoding="utf-8"))["counts"]
        for name, count in counts.items():
            split, pair = name.split(".", 1)
            if split not in SPLITS or type(count["kept"]) is not int:
                raise ValueError(name)
            for language in (Pair.parse(pair).source, Pair.parse(pair).target):
                of_language = count["languages"][language]
                if not all(type(of_language[key]) is int for key in _TOKENS):
                    raise ValueError(name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LassError(
            f"{path} cannot be read as the record of a preparation "
            f"({type(error).__name__}: {error}); prepare the data again"
        ) from error
    return counts


def data_table(
    counts: Counts, family_of: Callable[[str], str | None], centre: str = "en"
) -> Table:
    """Sentences and tokens of each pair, those of one family side by side.

    Pairs that are not trained (zero-shot) come last.

    Args:
        counts: see :func:`read_counts`.
        family_of: family of a language; None where it is unknown.
        centre: language whose family goes without saying.
    """
    records = [
        _record(pair, counts, family_of, centre)
        for pair in dict.fromkeys(name.split(".", 1)[1] for name in counts)
    ]
    records.sort(key=lambda r: (r["train"] is None, r["family"] or "~", r["pair"]))
    rows = [
        (
            record["pair"],
            record["family"] or "–",
            *(_sentences(record[split]) for split in SPLITS),
            *(short_count(record[f"{side}_tokens"]) for side in ("source", "target")),
            f"{100 * record['unknown']:.2f} %",
        )
        for record in records
    ]
    return Table(
        "data", "Data", _HEADER, tuple(rows), notes=_NOTES, records=tuple(records)
    )


def _sentences(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"


def _record(
    pair: str, counts: Counts, family_of: Callable[[str], str | None], centre: str
) -> dict[str, Any]:
    languages = (Pair.parse(pair).source, Pair.parse(pair).target)
    present = {split: counts.get(f"{split}.{pair}") for split in SPLITS}
    tokens = {key: dict.fromkeys(languages, 0) for key in _TOKENS}
    for count in present.values():
        if count is not None:
            for language in languages:
                for key in _TOKENS:
                    tokens[key][language] += count["languages"][language][key]
    named = [language for language in languages if language != centre]
    families = [family for language in named if (family := family_of(language))]
    everything = sum(tokens["tokens"].values())
    return {
        "pair": pair,
        "family": "; ".join(families) or None,
        **{split: None if c is None else c["kept"] for split, c in present.items()},
        "source_tokens": tokens["tokens"][languages[0]],
        "target_tokens": tokens["tokens"][languages[1]],
        "unknown": sum(tokens["unknown"].values()) / everything if everything else 0.0,
    }
