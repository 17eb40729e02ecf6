"""What a sweep is to compare, on what, and where."""

from dataclasses import dataclass, field
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.evaluation.translation import Decoding
from lass_plugin.languages import Pair
from lass_plugin.sweep.variants import RATIOS, Method, Variant, list_variants

CHECKPOINTS = ("last", "best")


@dataclass(frozen=True)
class SweepSettings:
    """One sweep: variants of the masks of all pairs, and how each is trained."""

    data: str
    """fairseq data folder, or shards of it separated by colons."""
    base: Path
    """Checkpoint of the base model."""
    searches: tuple[Path, ...]
    """Checkpoints of the searches."""
    out: Path
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

    def variants(self, methods: tuple[Method, ...]) -> list[Variant]:
        """The rows of the table."""
        return list_variants(
            self.methods or methods,
            self.ratios,
            self.ablation,
            self.own_ratios,
            self.random,
        )

    @property
    def folders(self) -> list[Path]:
        """The data folder or its shards."""
        return [Path(part) for part in self.data.split(":") if part]

    def masks_of(self, variant: Variant) -> Path:
        return self.out / "masks" / variant.name

    def training_of(self, variant: Variant) -> Path:
        return self.out / "joint" / variant.name
