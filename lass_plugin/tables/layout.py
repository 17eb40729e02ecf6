"""How scores are laid out in tables: the options, and pairs in groups."""

from collections.abc import Sequence
from dataclasses import dataclass

from lass_plugin.data.amounts import Bounds, Sizes, parse_count
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, base_language
from lass_plugin.settings import Settings, option

_RESOURCES = "resource groups"


@dataclass(frozen=True, kw_only=True)
class Layout(Settings):
    """How scores are tabled."""

    GROUP = "layout"

    sizes: Sizes | None = option(
        None,
        "training sentences of each pair: a folder of lass prepare, or a file with a "
        "line PAIR NUMBER each (160000, 160K, 1.2M)",
        metavar="PATH",
        group=_RESOURCES,
        parse="lass_plugin.data.amounts:read_sizes",
    )
    low: int = option(
        Bounds.low,
        "low resource: fewer training sentences than this (default: 1M)",
        metavar="N",
        group=_RESOURCES,
        parse=parse_count,
    )
    high: int = option(
        Bounds.high,
        "high resource: this many or more (default: 10M)",
        metavar="N",
        group=_RESOURCES,
        parse=parse_count,
    )
    resource_types: str | None = option(
        None,
        "types of the languages: flores (Cao 2024, Table 6), 'H=en,fr;M=nl;V=oc', or a "
        "file with a language and its type on each line",
        metavar="TYPES",
        group=_RESOURCES,
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

    def with_centre(self, pairs: Sequence[str]) -> dict[str, list[str]]:
        """Language -> its pairs with the centre, from it first; others are left out.

        Codes with a script or region stand for their language: ``eng_Latn`` is ``en``.
        """
        found: dict[str, list[str]] = {}
        for text in pairs:
            pair = Pair.parse(text)
            if self.is_centre(pair.source):
                found.setdefault(pair.target, []).insert(0, text)
            elif self.is_centre(pair.target):
                found.setdefault(pair.source, []).append(text)
        return found

    def by_size(self, columns: dict[str, list[str]]) -> dict[str, list[str]]:
        """*columns* by growing training data, as in the papers, if it is known."""
        sizes = self.sizes
        if sizes is None:
            return columns

        def size(item: tuple[str, list[str]]) -> int:
            return max(sizes.of(pair) for pair in item[1])

        return dict(sorted(columns.items(), key=size))
