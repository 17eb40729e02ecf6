"""What is done to parallel text before it is cut into subwords: options."""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.data.cleaning import HELD_OUT_CHOICES, KEEP, Limits
from lass_plugin.data.text_form import DETOKENISED, FORMS, TOKENISED
from lass_plugin.data.text_steps import AS_MOSES, CASING, TextSteps, casing_digest
from lass_plugin.errors import LassError
from lass_plugin.settings import Settings, count, needless, option, switch

DROP = "drop"


@dataclass(frozen=True, kw_only=True)
class TextSettings(Settings):
    """Moses' steps, which translations are freed of again, and cleaning of train."""

    GROUP = "text"

    text_form: str | None = option(
        None,
        "form of the text that is given (default: what its commas and full stops show)",
        choices=FORMS,
    )
    normalise_punctuation: bool = switch(
        "write quotes, dashes, spaces and numbers as Moses' normalize-punctuation does"
    )
    moses: bool = switch(
        "tokenise raw text as Moses' tokenizer does; translations are detokenised"
    )
    truecase: bool = switch(
        "write words in the case that they have inside of sentences, learned from the "
        "training text; translations get their capitals back"
    )
    truecase_model: Path | None = option(
        None,
        "folder of truecase.LANG, such as a data folder: take these; languages that it "
        "lacks are learned",
        metavar="DIR",
    )
    min_tokens: int | None = count(
        None, "drop training pairs with fewer tokens on a side"
    )
    max_tokens: int | None = count(
        None, "drop training pairs with more tokens on a side"
    )
    max_ratio: float | None = option(
        None,
        "drop training pairs of which one side has more than R times as many tokens as "
        "the other",
        metavar="R",
        least=1,
    )
    duplicates: str = option(
        KEEP,
        "drop: keep the first of equal training pairs only (default: %(default)s, and "
        "count them)",
        choices=(KEEP, DROP),
    )
    held_out: str = option(
        KEEP,
        "drop training pairs that valid or test has (pairs), or those with a side that "
        "valid or test of any pair has in that language (sides); letters and digits "
        "are compared (default: %(default)s, and count both)",
        choices=HELD_OUT_CHOICES,
    )

    def check(self) -> None:
        super().check()
        if self.moses and self.text_form == TOKENISED:
            raise LassError(
                f"--moses tokenises text that --text-form {TOKENISED} calls tokenised; "
                "leave one of them out"
            )
        if self.truecase and not self.moses and self.text_form != TOKENISED:
            raise LassError(
                "--truecase needs tokens; add --moses, or --text-form tokenised where "
                "the text is tokenised already"
            )
        if not self.truecase:
            needless(self, "truecase_model", "without --truecase")
        if self.truecase_model is not None and not self.given_casing:
            raise LassError(
                f"--truecase-model {self.truecase_model} has no "
                f"{CASING.format('LANG')}; give a data folder of 'lass prepare "
                "--truecase'"
            )
        least, most = self.min_tokens, self.max_tokens
        if least is not None and most is not None and least > most:
            raise LassError(
                f"--min-tokens {least} is more than --max-tokens {most}, so no pair "
                "would be left; lower it"
            )

    @property
    def given_casing(self) -> list[Path]:
        """Files of ``--truecase-model``."""
        if self.truecase_model is None:
            return []
        return sorted(self.truecase_model.glob(CASING.format("*")))

    @property
    def limits(self) -> Limits:
        """How long the sides of training pairs may be."""
        return Limits(self.min_tokens, self.max_tokens, self.max_ratio)

    @property
    def tokens(self) -> TextSteps:
        """The steps without truecasing, whose models may have to be learned."""
        return TextSteps(self.normalise_punctuation, self.moses)

    @property
    def writes(self) -> bool:
        """Whether the text that is encoded is another than what is given."""
        dropped = (self.duplicates, self.held_out) != (KEEP, KEEP)
        return self.tokens.any or self.limits != Limits() or dropped

    @property
    def form(self) -> str | None:
        """The form that is known without a look at the text; None where it is not."""
        return DETOKENISED if self.moses else self.text_form

    def as_json(self) -> dict[str, str | int | float | None]:
        """Values by their names on the command line; None where nothing is done."""
        return {
            "text-form": self.text_form,
            "normalise-punctuation": self.normalise_punctuation or None,
            "moses": self.moses or None,
            "truecase": AS_MOSES if self.truecase else None,
            "truecase-model": casing_digest(self.given_casing) or None,
            "min-tokens": self.min_tokens,
            "max-tokens": self.max_tokens,
            "max-ratio": self.max_ratio,
            "duplicates": None if self.duplicates == KEEP else self.duplicates,
            "held-out": None if self.held_out == KEEP else self.held_out,
        }
