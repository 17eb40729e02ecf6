"""What a sweep is to compare, on what, and where."""

from dataclasses import dataclass, field
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.evaluation.decoding import Decoding
from lass_plugin.experiments.sweeps.variants import (
    RATIOS,
    Compared,
    Method,
    Variant,
    list_variants,
)
from lass_plugin.languages import Pair

CHECKPOINTS = ("last", "best")


@dataclass(frozen=True, kw_only=True)
class ComparisonSettings:
    """What every sweep has: a base, data, and how variants are trained and scored."""

    data: str
    """fairseq data folder, or shards of it separated by colons."""
    base: Path
    """Checkpoint of the base model."""
    out: Path
    updates: int = 0
    """Of joint training; 0: no joint training, losses only."""
    checkpoint: str = "last"
    """Which checkpoint of a joint training is evaluated; see :data:`CHECKPOINTS`."""
    flags: tuple[str, ...] = ()
    """Further flags of fairseq-train; they win over the base's options."""
    split: str = "test"
    decoding: Decoding = field(default_factory=Decoding)
    valid_split: str = "valid"
    cpu: bool = False
    devices: tuple[str, ...] = ()
    jobs: int | None = None
    threads: int | None = None
    stop_on_error: bool = False

    def check(self) -> None:
        """Refuse what cannot be carried out, before anything is read.

        Raises:
            LassError: names the option at fault.
        """
        for name in ("jobs", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise LassError(f"--{name} must be 1 or more, not {value}")
        if self.updates < 0:
            raise LassError(f"--updates must be 1 or more, not {self.updates}")
        if self.cpu and self.devices:
            raise LassError("--cpu and --devices exclude each other; give one of them")
        if self.checkpoint not in CHECKPOINTS:
            raise LassError(
                f"--checkpoint is {' or '.join(CHECKPOINTS)}, not {self.checkpoint}"
            )
        if not self.updates and self.flags:
            raise LassError(
                "flags after -- have no effect with --losses-only; leave them out"
            )

    @property
    def folders(self) -> list[Path]:
        """The data folder or its shards."""
        return [Path(part) for part in self.data.split(":") if part]

    def masks_of(self, variant: Compared) -> Path:
        return self.out / "masks" / variant.name

    def training_of(self, variant: Compared) -> Path:
        return self.out / "joint" / variant.name

    def note(self) -> str:
        """A sentence for people on how the variants were made."""
        if not self.updates:
            return (
                "No joint training: the losses are of the base's weights under masks."
            )
        return (
            f"Every variant: the base trained jointly for {self.updates} updates; its "
            f"{self.checkpoint} checkpoint was evaluated."
        )


@dataclass(frozen=True, kw_only=True)
class SweepSettings(ComparisonSettings):
    """One sweep: variants of the masks of all pairs, cut from searches."""

    searches: tuple[Path, ...]
    """Checkpoints of the searches."""
    pairs: tuple[Pair, ...] = ()
    """Empty for those of the searches."""
    methods: tuple[Method, ...] = ()
    """Empty for those of the searches."""
    ratios: tuple[float, ...] = RATIOS
    ablation: tuple[float, ...] = ()
    own_ratios: tuple[float, ...] = ()
    random: tuple[float, ...] = ()
    seed: int = 1
    """Of the random masks."""
    recut: bool = False
    """Accept masks that a gradual search trained under another ratio."""

    def variants(self, methods: tuple[Method, ...]) -> list[Variant]:
        """The rows of the table."""
        return list_variants(
            self.methods or methods,
            self.ratios,
            self.ablation,
            self.own_ratios,
            self.random,
        )
