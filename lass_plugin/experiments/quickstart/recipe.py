"""How long each phase of the quick start trains, and with what."""

from dataclasses import asdict, dataclass
from typing import Any

LANGUAGES = ("de", "nl", "es", "it")
"""Beside English: two Germanic and two Romance, so that similarity has a pattern."""


@dataclass(frozen=True)
class Recipe:
    """Chosen so that what it shows is real after a quarter of an hour on two cores.

    A search by gradient needs thousands of updates before its masks are more than
    noise, so the quick start searches as LaSS does (Lin 2021): by magnitude, pruned
    once after fine-tuning on the pair.
    """

    vocabulary: int = 4000
    base_updates: int = 1200
    search_updates: int = 80
    joint_updates: int = 600
    """Of joint training, and of the same training without masks beside it."""
    criterion: str = "magnitude"
    schedule: str = "oneshot"
    ratio: float = 0.4
    arch: str = "transformer_quickstart"
    max_tokens: int = 2048
    lr: float = 3e-3
    warmup: int = 200
    joint_warmup: int = 60
    search_lr: float = 1e-3
    temperature: float = 2.0
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
            "--bf16-autocast --num-workers 0 --no-epoch-checkpoints "
            "--save-interval-updates 250 --keep-interval-updates 1 "
            "--validate-interval-updates 1000000 --validate-interval 1000000 "
            "--disable-validation --log-interval 10 --log-format json "
            f"--seed {self.seed}"
        )
        return text.split()

    def search_flags(self) -> list[str]:
        """Flags of fairseq-train for the searches; the base's options hold else."""
        text = (
            f"--lr {self.search_lr} --lr-scheduler inverse_sqrt --warmup-updates 20 "
            f"--max-tokens {self.max_tokens} --disable-validation --seed {self.seed}"
        )
        return text.split()
