"""What the tasks of encoders alone have in common: their keys are languages."""

from typing import Any, Sequence

import torch
from fairseq.data import Dictionary

from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.tasks.keyed_task import KeyedTask


class EncoderTask(KeyedTask):
    """Training and validation of an encoder alone, each batch of one language.

    It is not told what it reads: there are no tokens of languages.
    """

    of_keys = "languages"
    counted = "sample_size"
    mean_loss = "language_loss"

    def __init__(self, cfg: Any, languages: Sequence[str], dictionary: Dictionary):
        super().__init__(cfg, LanguageTokens(tuple(languages), style="none"))
        self.dictionary = dictionary

    @property
    def keys(self) -> list[str]:
        return list(self.tokens.languages)

    @property
    def source_dictionary(self) -> Dictionary:
        return self.dictionary

    @property
    def target_dictionary(self) -> Dictionary:
        return self.dictionary

    @property
    def languages_of_model(self) -> list[str]:
        """Languages that X-MOD has modules of, where its options do not say."""
        return self.keys

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> torch.nn.Module:
        if getattr(cfg, "adapter_modules", None) and not getattr(cfg, "languages", 1):
            cfg.languages = self.languages_of_model
        return super().build_model(cfg, from_checkpoint)
