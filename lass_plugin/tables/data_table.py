"""What the prepared data hold of each pair (He 2023, Tables 4 and 5)."""

from collections.abc import Callable
from typing import Any

from lass_plugin.data.amounts import Counts, short_count
from lass_plugin.data.parallel_text import SPLITS
from lass_plugin.languages import Pair
from lass_plugin.records.table import Table

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

    Pairs that are not trained (zero-shot) come last.

    Args:
        counts: see :func:`.amounts.read_counts`, with tokens.
        family_of: family of a language; None where it is unknown.
        centre: language whose family goes without saying.
    """
    pairs = dict.fromkeys(name.split(".", 1)[1] for name in counts)
    records = [_record(pair, counts, family_of, centre) for pair in pairs]
    records.sort(key=lambda r: (r["train"] is None, r["family"] or "~", r["pair"]))
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
