"""How scores are laid out in tables: the options, and pairs as columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from lass_plugin.data.amounts import Bounds, Sizes, parse_count
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, base_language
from lass_plugin.resource_types import TYPES, parse_types
from lass_plugin.settings import Settings, option

Lists = dict[str, list[str]]
"""Lists of pairs under headings."""

_of_resources = partial(option, group="resource groups")


@dataclass(frozen=True, kw_only=True)
class Layout(Settings):
    """How scores are tabled."""

    GROUP = "layout"

    sizes: Sizes | None = _of_resources(
        None,
        "training sentences of each pair: a folder of lass prepare, or a file with a "
        "line PAIR NUMBER each (160000, 160K, 1.2M)",
        metavar="PATH",
        parse="lass_plugin.data.amounts:read_sizes",
    )
    low: int = _of_resources(
        Bounds.low,
        "low resource: fewer training sentences than this (default: 1M)",
        metavar="N",
        parse=parse_count,
    )
    high: int = _of_resources(
        Bounds.high,
        "high resource: this many or more (default: 10M)",
        metavar="N",
        parse=parse_count,
    )
    resource_types: str | None = _of_resources(
        None,
        "types of the languages: flores (Cao 2024, Table 6), 'H=en,fr;M=nl;V=oc', or a "
        "file with a language and its type on each line",
        metavar="TYPES",
    )
    centre: str = option("en", "centre language (default: %(default)s)", metavar="LANG")
    show: str = option(
        "both",
        "score and difference to the baseline (default), or one of them",
        choices=("both", "score", "difference"),
    )
    wins_by: str | None = option(
        None,
        "count wins of pairs (default; Lin 2021) or of languages, both directions in "
        "one mean (He 2023)",
        choices=("pair", "language"),
    )

    def check(self) -> None:
        super().check()
        if self.sizes is None and self.bounds != Bounds():
            raise LassError(
                "--low and --high have no effect without the sizes of the training "
                "data; give --sizes"
            )

    @property
    def bounds(self) -> Bounds:
        """The bounds of the resource groups."""
        return Bounds(self.low, self.high)

    def is_centre(self, code: str) -> bool:
        """Whether *code* is the language in the centre, in any script or region."""
        return base_language(code) == base_language(self.centre)

    def with_centre(self, pairs: Sequence[str]) -> Lists:
        """Language -> its pairs with the centre, from it first; others are left out.

        Codes with a script or region stand for their language: ``eng_Latn`` is ``en``.
        """
        found: Lists = {}
        for text in pairs:
            pair = Pair.parse(text)
            if self.is_centre(pair.source):
                found.setdefault(pair.target, []).insert(0, text)
            elif self.is_centre(pair.target):
                found.setdefault(pair.source, []).append(text)
        return found

    def by_size(self, columns: Lists) -> Lists:
        """*columns* by growing training data, as in the papers, if it is known."""
        if self.sizes is None:
            return columns
        largest = {name: max(map(self.sizes.of, columns[name])) for name in columns}
        return dict(sorted(columns.items(), key=lambda item: largest[item[0]]))


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are; text with {centre}.

    Attributes:
        title: of the table.
        make: from the layout and all pairs, heading -> pairs.
        missing: why there may be none, for messages.
        average: they are sorted by size, and in the last column is their mean.
        notes: below the table, from the layout and the columns.
    """

    title: str
    make: Callable[[Layout, Sequence[str]], Lists]
    missing: str
    average: bool = True
    notes: Callable[[Layout, Lists], list[str]] = lambda layout, of: []


def _direction(layout: Layout, pairs: Sequence[str], into: bool) -> Lists:
    columns: Lists = {}
    for language, around in layout.with_centre(pairs).items():
        for text in around:
            if layout.is_centre(Pair.parse(text).target) == into:
                # two codes of the centre, such as en_GB and en_US, are two columns
                columns[text if language in columns else language] = [text]
    return columns


def _without_centre(layout: Layout, pairs: Sequence[str]) -> Lists:
    centric = {pair for of in layout.with_centre(pairs).values() for pair in of}
    return {pair: [pair] for pair in pairs if pair not in centric}


def _by_side(layout: Layout, pairs: Sequence[str], side: str) -> Lists:
    columns: Lists = {}
    if _without_centre(layout, pairs):
        for pair in pairs:
            columns.setdefault(getattr(Pair.parse(pair), side), []).append(pair)
    return columns


def _by_type(layout: Layout, pairs: Sequence[str]) -> Lists:
    """``H2H H2M …``: pairs from each resource type into each; and all pairs."""
    if layout.resource_types is None:
        return {}
    types = _types(layout, pairs)
    found: Lists = {f"{a}2{b}": [] for a in TYPES for b in TYPES}
    for text in pairs:
        pair = Pair.parse(text)
        found[f"{types[pair.source]}2{types[pair.target]}"].append(text)
    return {name: of for name, of in found.items() if of} | {"AVG": list(pairs)}


def _types(layout: Layout, pairs: Sequence[str]) -> dict[str, str]:
    parsed = [Pair.parse(text) for text in pairs]
    codes = [pair.source for pair in parsed] + [pair.target for pair in parsed]
    return parse_types(layout.resource_types, dict.fromkeys(codes))


def _language_notes(layout: Layout, columns: Lists) -> list[str]:
    centre = layout.centre
    notes = [f"mean of {centre}→X and X→{centre}; Average: mean over the languages"]
    alone = [language for language, pairs in columns.items() if len(pairs) == 1]
    return notes + ([f"one direction only: {', '.join(alone)}"] if alone else [])


def _type_notes(layout: Layout, columns: Lists) -> list[str]:
    types = _types(layout, columns["AVG"])
    members = {kind: [code for code in types if types[code] == kind] for kind in TYPES}
    notes = [f"{kind}: {', '.join(codes)}" for kind, codes in members.items() if codes]
    return ["; ".join([*notes, f"AVG: mean over the {len(columns['AVG'])} pairs"])]


_ALL_CENTRE = "all pairs have the language {centre}"
COLUMNS = {
    "languages": Columns(
        "Each language with {centre}",
        Layout.with_centre,
        "no pair has the language {centre}; give --centre",
        notes=_language_notes,
    ),
    "from-centre": Columns(
        "{centre}→X", partial(_direction, into=False), "no pair is from {centre}"
    ),
    "into-centre": Columns(
        "X→{centre}", partial(_direction, into=True), "no pair is into {centre}"
    ),
    "pairs": Columns("Pairs without {centre}", _without_centre, _ALL_CENTRE),
    **{
        f"{side}s": Columns(
            f"Each {side} language, mean over its {other}s",
            partial(_by_side, side=side),
            _ALL_CENTRE,
            average=False,
        )
        for side, other in (("source", "target"), ("target", "source"))
    },
    "types": Columns(
        "From resource type to resource type",
        _by_type,
        "the resource types are not known; give --resource-types",
        average=False,
        notes=_type_notes,
    ),
}
