"""How to translate: the options of decoding, shared by all commands that translate."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lass_plugin.errors import LassError
from lass_plugin.settings import Settings, count, option, switch

if TYPE_CHECKING:
    import torch

SUBWORDS = ("auto", "sentencepiece", "subword_nmt", "none")
"""How tokens become text again; ``auto`` looks at the data folder."""


@dataclass(frozen=True, kw_only=True)
class Decoding(Settings):
    """How to translate; the defaults are those of fairseq-generate.

    A translation has at most *max_len_a* · (length of the source) + *max_len_b* tokens;
    scores are divided by length ** *lenpen*; a batch has at most *max_tokens* tokens of
    the source. *limit* takes the first sentences of every pair only.
    """

    GROUP = "translation"

    beam: int = count(5, "beam (default: %(default)s)")
    lenpen: float = option(
        1.0,
        "length penalty; above 1 favours longer translations (default: %(default)s)",
        metavar="X",
    )
    max_len_a: float = option(
        0.0,
        "a translation has at most A × source + B tokens (default: %(default)s)",
        metavar="A",
    )
    max_len_b: int = option(200, "(default: %(default)s)", metavar="B")
    max_tokens: int = count(4096, "source tokens in a batch (default: %(default)s)")
    limit: int | None = count(None, "only the first N sentences of every pair")
    truncate_source: bool = switch(
        "cut sources that are too long for the model instead of refusing them"
    )
    remove_bpe: str = option(
        "auto",
        "how tokens become text (default: auto, by what DATA holds)",
        choices=SUBWORDS,
    )
    cpu: bool = switch("do not use the GPU")
    fp16: bool = switch("weights in float16 (GPU)")
    bf16_autocast: bool = switch(
        "multiply in bfloat16, weights in float32 (CPU and GPU)"
    )

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Refuse what no model can be translated with."""
        super().check()
        if self.max_len_a < 0 or self.max_len_a + self.max_len_b < 1:
            raise LassError(
                f"--max-len-a {self.max_len_a:g} --max-len-b {self.max_len_b} leave no "
                "room for a translation; give larger numbers"
            )
        if self.fp16 and self.bf16_autocast:
            raise LassError(
                "--fp16 and --bf16-autocast exclude each other; leave one of them out"
            )
        if self.fp16 and self.device.type == "cpu":
            raise LassError("--fp16 needs a GPU; on a CPU use --bf16-autocast")

    @property
    def device(self) -> "torch.device":
        """A GPU if there is one, unless *cpu* is set."""
        import torch

        usable = torch.cuda.is_available() and not self.cpu
        return torch.device("cuda" if usable else "cpu")

    @property
    def precision(self) -> str:
        """``float32``, ``float16`` or ``bfloat16 autocast``."""
        if self.bf16_autocast:
            return "bfloat16 autocast"
        return "float16" if self.fp16 else "float32"
