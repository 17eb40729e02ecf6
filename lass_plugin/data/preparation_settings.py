"""What a data folder is to be prepared from, and how."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lass_plugin.data import subwords
from lass_plugin.data.parallel_text import sha256
from lass_plugin.data.text_settings import TextSettings
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, languages_of, parse_languages, parse_pairs
from lass_plugin.settings import (
    Settings,
    count,
    including,
    needless,
    option,
    required,
    switch,
)

DEFAULT_VOCAB_SIZE = 8000
DEFAULT_CHARACTER_COVERAGE = 0.9995


@dataclass(frozen=True)
class Added:
    """What the data of pairs that are added to a model has beside its own text.

    *languages* are all of the model, in the order of their tokens; unknown text is
    spelled, see :class:`.subwords.Subwords`.
    """

    languages: tuple[str, ...]

    def as_json(self) -> dict[str, str]:
        return {"languages": ",".join(self.languages)}


@dataclass(frozen=True, kw_only=True)
class SubwordSettings(Settings):
    """Where text is made tokens, and with which subword model and dictionary."""

    text: Path = required("folder of the text", metavar="DIR")
    out: Path = required("data folder to make", metavar="DIR")
    subword: ClassVar[str] = "sentencepiece"
    merges: ClassVar[int | None] = None
    vocab_size: int | None = count(
        None, f"pieces of the joint model (default {DEFAULT_VOCAB_SIZE})"
    )
    character_coverage: float | None = option(
        None,
        "share of the characters that become pieces, the rest is unknown "
        f"(SentencePiece, default {DEFAULT_CHARACTER_COVERAGE})",
        metavar="SHARE",
    )
    spm_model: Path | None = option(
        None, "use this SentencePiece model instead of training one", metavar="FILE"
    )
    dictionary: Path | None = option(
        None,
        "use this dictionary, that of a pretrained model, instead of building one",
        flags="--dict",
        metavar="FILE",
    )
    workers: int = count(
        min(os.cpu_count() or 1, 8), "processes (default: one per core, at most 8)"
    )
    """The result does not depend on it."""
    fresh: bool = switch(
        "start over, and replace what was prepared here with other options"
    )

    def check(self) -> None:
        super().check()
        if os.pathsep in str(self.out):
            raise LassError(
                f"--out {self.out} has a '{os.pathsep}' in its name, at which fairseq "
                "divides a list of folders; choose another name"
            )
        coverage = self.character_coverage
        if coverage is not None and not 0 < coverage <= 1:
            raise LassError(
                f"--character-coverage is {coverage}; give a share above 0, at most 1"
            )
        if not self._trains_sentencepiece:
            needless(self, "character_coverage", "unless SentencePiece is trained")
        if self.spm_model or self.dictionary:
            reason = "--spm-model" if self.spm_model else "--dict"
            needless(self, "vocab_size", f"with {reason}")

    def subwords_as_json(self) -> dict[str, str | int | float | None]:
        """Values that say with what the text is encoded; files by their SHA-256."""
        size, coverage = self.vocab_size, self.character_coverage
        if self._trains_sentencepiece:
            size = size or DEFAULT_VOCAB_SIZE
            coverage = coverage or DEFAULT_CHARACTER_COVERAGE
        return {
            "subword": self.subword,
            "vocab-size": size,
            "character-coverage": coverage,
            "spm-model": sha256(self.spm_model) if self.spm_model else None,
            "dict": sha256(self.dictionary) if self.dictionary else None,
        }

    @property
    def given_model(self) -> Path | None:
        """The subword model that is used; None where one is trained."""
        return self.spm_model

    @property
    def _trains_sentencepiece(self) -> bool:
        return self.subword.startswith("sentencepiece") and self.spm_model is None


@dataclass(frozen=True, kw_only=True)
class PreparationSettings(SubwordSettings):
    """A data folder to make from parallel text. None stands for the default."""

    text: Path = required("folder of the parallel text", metavar="DIR")
    pairs: tuple[Pair, ...] = required(
        "directions to prepare, such as de-en,en-de,de-nl",
        metavar="SRC-TGT,…",
        parse=parse_pairs,
    )
    test_pairs: tuple[Pair, ...] = option(
        (),
        "directions of which only valid and test are prepared (zero-shot)",
        metavar="SRC-TGT,…",
        parse=parse_pairs,
    )
    through: str | None = option(
        None,
        "a test pair X-Y without files of its own is made of X from X-LANG and Y from "
        "LANG-Y, whose LANG sides must be the same, line for line",
        metavar="LANG",
    )
    subword: str = option(  # type: ignore[misc]
        "sentencepiece",
        "unigram SentencePiece (default); SentencePiece's BPE; subword-nmt BPE, for "
        "text that is tokenised (--moses); or none, for text whose tokens are "
        "separated by spaces already",
        choices=subwords.KINDS,
    )
    vocab_size: int | None = count(
        None,
        f"symbols of the joint model, characters included (default "
        f"{DEFAULT_VOCAB_SIZE}); with --subword none, keep only the N most frequent "
        "tokens",
    )
    merges: int | None = count(  # type: ignore[misc]
        None,
        "merge operations that --subword bpe learns, instead of --vocab-size: what "
        "papers that use subword-nmt count",
    )
    bpe_codes: Path | None = option(
        None, "use these codes of subword-nmt instead of learning some", metavar="FILE"
    )
    langs: tuple[str, ...] = option(
        (),
        "languages of that model in the order of their tokens, one a line, or its "
        "pairs of languages (default: those of the pairs; they number the tokens)",
        metavar="FILE",
        parse="lass_plugin.data.language_tokens:read_language_list",
    )
    written: TextSettings = including(TextSettings)
    added: Added | None = None

    def check(self) -> None:
        super().check()
        self.written.check()
        self._check_test_pairs()
        if self.subword != "sentencepiece":
            needless(self, "spm_model", f"with --subword {self.subword}")
        if self.subword != "bpe":
            needless(self, ("merges", "bpe_codes"), f"with --subword {self.subword}")
        if self.merges is not None:
            needless(self, "vocab_size", "with --merges")
        if self.bpe_codes is not None:
            needless(self, ("merges", "vocab_size"), "with --bpe-codes")
        model = self.spm_model or self.bpe_codes
        if self.dictionary and self.subword != "none" and not model:
            raise LassError(
                "--dict belongs to a subword model that exists already; add "
                "--spm-model FILE, --bpe-codes FILE with --subword bpe, or --subword "
                "none for text that is encoded"
            )
        self._check_langs()

    @property
    def given_model(self) -> Path | None:
        return self.spm_model or self.bpe_codes

    def _check_langs(self) -> None:
        if not self.langs:
            return
        if self.dictionary is None:
            raise LassError(
                "--langs are the languages of a pretrained model; add its --dict, or "
                "leave --langs out"
            )
        for code in languages_of(self.pairs):
            if code not in self.langs:
                raise LassError(
                    f"the model has no token for the language {code}: --langs has "
                    f"{', '.join(self.langs)}; leave the pairs of {code} out, or take "
                    "a model that was trained on it"
                )

    def _check_test_pairs(self) -> None:
        trained = languages_of(self.pairs)
        for pair in self.test_pairs:
            if pair in self.pairs:
                raise LassError(
                    f"{pair} is in both --pairs and --test-pairs; keep it in --pairs "
                    "to train on it, else in --test-pairs"
                )
            for code in (pair.source, pair.target):
                if code not in trained:
                    raise LassError(
                        f"no pair of --pairs has the language {code} of the test pair "
                        f"{pair}, so nothing would be trained on it; add such a pair "
                        "or leave the test pair out"
                    )
        if not self.test_pairs:
            needless(self, "through", "without --test-pairs")

    def as_json(self) -> dict[str, str | int | float | None]:
        """Values by their names on the command line; files by their SHA-256."""
        subwords = self.subwords_as_json()
        codes = sha256(self.bpe_codes) if self.bpe_codes else None
        if self.subword == "bpe" and not (codes or self.merges):
            subwords["vocab-size"] = self.vocab_size or DEFAULT_VOCAB_SIZE
        return {
            "pairs": ",".join(map(str, self.pairs)),
            **subwords,
            "merges": self.merges,
            "bpe-codes": codes,
            "test-pairs": ",".join(map(str, self.test_pairs)) or None,
            "through": self.through,
            "langs": ",".join(self.langs) or None,
            **self.written.as_json(),
            **(self.added.as_json() if self.added else {}),
        }


@dataclass(frozen=True, kw_only=True)
class EncoderPreparationSettings(SubwordSettings):
    """A data folder to make from text of single languages."""

    languages: tuple[str, ...] = required(
        "languages to prepare, such as de,en,sw",
        metavar="LANG,…",
        parse=parse_languages,
    )

    def check(self) -> None:
        super().check()
        if self.dictionary and not self.spm_model:
            raise LassError(
                "--dict belongs to a subword model that exists already; add "
                "--spm-model FILE"
            )

    def as_json(self) -> dict[str, str | int | float | None]:
        """Values by their names on the command line; files by their SHA-256."""
        return {"languages": ",".join(self.languages), **self.subwords_as_json()}
