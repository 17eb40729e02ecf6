"""How long each phase of the quick start trains, and with what."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.settings import Settings, count, including, option, switch

LANGUAGES = ("de", "nl", "es", "it")
"""Beside English: two Germanic and two Romance, so that similarity has a pattern."""


def _gains_by_bfloat16() -> bool:
    import torch

    from lass_plugin.training.precision import processor_has_bfloat16

    return torch.cuda.is_available() or processor_has_bfloat16()


@dataclass(frozen=True, kw_only=True)
class Recipe(Settings):
    """Chosen so that what it shows is real after a quarter of an hour on two cores.

    It searches as LaSS does (Lin 2021): by magnitude, pruned once after fine-tuning on
    the pair. Masks by gradient (He 2023) are worse than random ones after searches as
    short as these (docs/search.md).
    """

    base_updates: int = count(1000, "length of base training")
    search_updates: int = count(80, "length of each pair's search")
    joint_updates: int = count(400, "length of joint training")
    """Of joint training, and of the same training without masks beside it."""
    vocabulary: int = count(4000, "number of subwords")
    criterion: str = "magnitude"
    schedule: str = "oneshot"
    ratio: float = 0.4
    arch: str = "transformer_quickstart"
    max_tokens: int = 2048
    search_max_tokens: int = 1024
    lr: float = 3e-3
    warmup: int = 200
    joint_warmup: int = 40
    search_lr: float = 1e-3
    """That of the table in docs/experiments.md; lass search takes the base's peak."""
    temperature: float = 2.0
    bf16_autocast: bool = field(default_factory=_gains_by_bfloat16)
    """Where the machine has instructions for it; without, it is many times slower."""
    beam: int = 4
    seed: int = 1

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def base_flags(self) -> list[str]:
        """Flags of fairseq-train for the base."""
        schedule = f"--lr-scheduler inverse_sqrt --warmup-updates {self.warmup}"
        return [*self._training_flags(), *schedule.split()]

    def joint_flags(self) -> list[str]:
        """Flags for joint training, and for the same training without masks.

        The rate falls to 0: at a high rate the pairs of the last few batches decide
        the scores, by more than the masks do.
        """
        schedule = (
            f"--lr-scheduler polynomial_decay --warmup-updates {self.joint_warmup} "
            f"--total-num-update {self.joint_updates}"
        )
        return [*self._training_flags(), *schedule.split()]

    def _training_flags(self) -> list[str]:
        text = (
            f"--arch {self.arch} --share-all-embeddings --dropout 0.1 "
            "--task translation_subnetwork --encoder-langtok src --decoder-langtok "
            "--sampling-method temperature "
            f"--sampling-temperature {self.temperature} "
            "--criterion label_smoothed_cross_entropy --label-smoothing 0.1 "
            "--optimizer strict_adam --adam-betas (0.9,0.98) --clip-norm 1.0 "
            f"--lr {self.lr} --max-tokens {self.max_tokens} "
            "--num-workers 0 --no-epoch-checkpoints "
            "--save-interval-updates 250 --keep-interval-updates 1 "
            "--validate-interval-updates 1000000 --validate-interval 1000000 "
            "--disable-validation --log-interval 10 --log-format json "
            f"--seed {self.seed}"
        )
        return text.split() + ["--bf16-autocast"] * self.bf16_autocast

    def search_flags(self) -> list[str]:
        """Flags of fairseq-train for the searches; the base's options hold else."""
        text = (
            f"--lr {self.search_lr} --lr-scheduler inverse_sqrt --warmup-updates 20 "
            f"--max-tokens {self.search_max_tokens} --disable-validation "
            f"--seed {self.seed}"
        )
        return text.split()


@dataclass(frozen=True, kw_only=True)
class QuickstartSettings(Settings):
    """A quick start: on what, where, and by which recipe."""

    out: Path = option(
        Path("runs/quickstart"),
        "folder for everything (default: %(default)s)",
        metavar="DIR",
    )
    data: Path | None = option(
        None,
        "your own text: train|valid|test.SRC-TGT.LANG, plain or .gz",
        metavar="DIR",
    )
    """None for the catalogues."""
    pairs: tuple[Pair, ...] = option(
        (),
        "directions of your text (default: all, both ways)",
        metavar="SRC-TGT,…",
        parse=parse_pairs,
    )
    fresh: bool = switch("do everything again from the start")
    recipe: Recipe = including(Recipe)

    def check(self) -> None:
        super().check()
        if self.pairs and self.data is None:
            raise LassError("--pairs is for your own text; give --data too")
