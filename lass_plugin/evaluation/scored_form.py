"""The form in which text is scored: tokenised or detokenised, and how it gets there.

The data folder says in which form its text was given to ``lass prepare`` and what was
done to it there. Where it was tokenised there (``--moses``), translations are undone
and scored as text beside the references as they were given; with ``--tokenize none``
both are scored in tokens. Text that was tokenised before is scored as it is. A folder
that does not say, of an earlier version or of other tools, is taken to be in the form
that its references show.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lass_plugin.data import moses
from lass_plugin.data.data_folder import text_form_of, text_steps_of
from lass_plugin.data.text_form import DETOKENISED, TOKENISED, common_form
from lass_plugin.data.text_steps import TextSteps
from lass_plugin.errors import LassError
from lass_plugin.evaluation.text_forms import find_tokenised, form_of
from lass_plugin.languages import Pair

NONE = "none"
"""The tokenizer of BLEU that leaves text as it is."""

Texts = Mapping[str, Sequence[str]]
"""Pair -> lines."""


@dataclass(frozen=True)
class ScoredForm:
    """The form of what is scored, and the steps that are undone for it or taken."""

    form: str
    steps: TextSteps = TextSteps()

    @property
    def label(self) -> str:
        """What a signature says of it: nothing of detokenised text."""
        if self.form == DETOKENISED:
            return ""
        made = f"|by:{moses.library()}" if self.steps.tokenise else ""
        return f"|text:{TOKENISED}{made}"

    def of_translations(self, texts: Texts) -> dict[str, list[str]]:
        """Translations in this form, of what a model wrote."""
        found: dict[str, list[str]] = {}
        for pair, lines in texts.items():
            target = Pair.parse(pair).target
            if self.form == TOKENISED:
                found[pair] = [self.steps.recase(line) for line in lines]
            else:
                found[pair] = [self.steps.undo(line, target) for line in lines]
        return found

    def of_given(self, texts: Texts, side: str) -> dict[str, list[str]]:
        """Text in this form, of what was given to ``lass prepare``.

        Args:
            side: ``source`` or ``target``.
        """
        if not (self.form == TOKENISED and self.steps.tokenise):
            return {pair: list(lines) for pair, lines in texts.items()}
        return {
            pair: [
                self.steps.split(line, getattr(Pair.parse(pair), side))
                for line in lines
            ]
            for pair, lines in texts.items()
        }

    def tokenizer(self, asked: str | None) -> str | None:
        """The tokenizer of BLEU; None for that of each language."""
        return NONE if asked is None and self.form == TOKENISED else asked

    def notes(self, asked: str | None, further: Sequence[str]) -> list[str]:
        """Sentences for people on what is scored, and on what is unusual about it.

        Args:
            asked: the tokenizer of BLEU that was asked for.
            further: metrics beside BLEU and chrF.
        """
        tokenised, found = self.form == TOKENISED, []
        by = f"{moses.library()}, as in the data folder"
        if self.steps.tokenise:
            found.append(
                f"translations and references are in the tokens of {by}"
                if tokenised
                else f"translations are detokenised ({by}), references as they were"
            )
        if tokenised and asked is None:
            found.append(
                "the text is tokenised, so BLEU does not tokenise it once more "
                "(--tokenize none)"
            )
        elif tokenised and asked != NONE:
            found.append(
                f"the text is tokenised, and BLEU tokenises it once more ({asked}): "
                "compare it with such BLEU only"
            )
        elif not tokenised and asked == NONE:
            found.append(
                "the text is detokenised, and BLEU does not tokenise it: words count "
                "with the punctuation at their ends"
            )
        if tokenised and further:
            found.append(
                f"{' and '.join(further)}: made for text, and computed on tokens here"
            )
        return found


def shown_form(references: Texts, tokenize: str | None) -> ScoredForm:
    """The form that *references* show.

    Raises:
        LassError: they show both, and no tokenizer of BLEU is asked for.
    """
    if tokenize is None and find_tokenised(references):
        return ScoredForm(TOKENISED)
    return ScoredForm(form_of(references, tokenize))


def form_in(
    data: Path, references: Texts, given: Path | None, tokenize: str | None, cut: bool
) -> ScoredForm:
    """The form in which translations of a data folder are scored.

    Args:
        references: as they are.
        given: the folder that they are from; None for that of the data.
        tokenize: the tokenizer of BLEU that is asked for.
        cut: both are left in subwords, which are tokens.

    Raises:
        LassError: the references are given, and in another form than translations can
            be brought to.
    """
    if cut:
        return ScoredForm(TOKENISED)
    steps, form = text_steps_of(data), text_form_of(data)
    if steps.tokenise and tokenize == NONE:
        shown = given and find_tokenised(references)
        if shown:
            raise LassError(
                f"the references of {shown} in {given} are tokenised, but those of "
                f"{data} are tokenised as it was; give raw text with --references"
            )
        return ScoredForm(TOKENISED, steps)
    if steps.tokenise:
        form = DETOKENISED
    if form is None:
        return ScoredForm(shown_form(references, tokenize).form, steps)
    if given is not None and tokenize is None:
        _refuse_other(references, given, form, data)
    return ScoredForm(form, steps)


def _refuse_other(references: Texts, given: Path, form: str, data: Path) -> None:
    """Refuse given references in another form than *form*."""
    find_tokenised(references)  # refuses two forms among them
    shown = common_form(references.values())
    if shown not in (None, form):
        raise LassError(
            f"the references in {given} are {shown} and translations of {data} are "
            f"{form}; give references in that form, or say with --tokenize how both "
            "are scored"
        )
