"""Language tokens: which token says to the model what to translate from and to."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping

import torch
from torch import Tensor

from lass_plugin.errors import DAMAGED, LassError
from lass_plugin.files import read_text
from lass_plugin.languages import Pair, languages_of, parse_pairs
from lass_plugin.records.fields import filled

if TYPE_CHECKING:
    from fairseq.data import Dictionary

ENCODER_TOKENS = (None, "src", "tgt")
STYLES = ("multilingual", "mbart", "none")


@dataclass(frozen=True)
class LanguageTokens:
    """The choice of language tokens; a checkpoint carries it, see ``task_state``."""

    languages: tuple[str, ...]
    """Every language, in the order in which the dictionary numbers their tokens."""
    encoder: str | None = None
    """``src`` or ``tgt``: token put before the source sentence; None for none."""
    decoder: bool = False
    """Whether the target token is put before the target sentence."""
    style: str = "multilingual"
    """``multilingual`` (``__de__``), ``mbart`` (``[de]``), or ``none``: the dictionary
    gets no tokens, as for a base of the stock ``translation`` task."""

    def __post_init__(self) -> None:
        if self.style == "none" and (self.encoder or self.decoder):
            raise LassError(
                "--lang-tok-style none goes with neither --encoder-langtok nor "
                "--decoder-langtok; leave it or them out"
            )

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "languages": list(self.languages)}

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], where: str = "the checkpoint"
    ) -> "LanguageTokens":
        """What :meth:`to_dict` made.

        Args:
            where: it stands, for messages.

        Raises:
            LassError: it is nothing of the kind.
        """
        try:
            languages = filled(tuple[str, ...], values["languages"], "languages")
            if not all(text.isprintable() for text in languages):
                raise ValueError("a language is no name")
            encoder, style = values["encoder"], values["style"]
            if encoder not in ENCODER_TOKENS or style not in STYLES:
                raise ValueError(f"encoder is {encoder!r}, style is {style!r}")
            decoder = filled(bool, values["decoder"], "decoder")
            return cls(languages, encoder, decoder, style)
        except DAMAGED as error:
            reason = f"no {error}" if isinstance(error, KeyError) else error
            raise LassError(
                f"the language_tokens of {where} are damaged ({reason}; a list "
                "'languages' and 'encoder', 'decoder', 'style' are expected); take "
                "another one"
            ) from error

    @property
    def names(self) -> list[str]:
        """The tokens in the order of the languages; none for the style ``none``."""
        from fairseq.data.multilingual.multilingual_utils import get_lang_tok

        if self.style == "none":
            return []
        return [get_lang_tok(code, self.style) for code in self.languages]

    def add_to(self, dictionary: "Dictionary") -> None:
        """Append the tokens that *dictionary* lacks, as the stock task does.

        An extended dictionary has tokens in its file, which stay where they are.
        """
        from fairseq.data.multilingual.multilingual_utils import augment_dictionary

        if not hasattr(dictionary, "without_tokens"):
            dictionary.without_tokens = len(dictionary)
        if self.style == "none":
            return
        augment_dictionary(dictionary, list(self.languages), self.style)

    @staticmethod
    def remove_from(dictionary: "Dictionary") -> None:
        """Undo :meth:`add_to`."""
        while len(dictionary) > getattr(dictionary, "without_tokens", len(dictionary)):
            del dictionary.indices[dictionary.symbols.pop()]
            dictionary.count.pop()

    def check_pairs(self, pairs: list[Pair]) -> None:
        """Refuse pairs of languages that have no token."""
        for code in languages_of(pairs):
            if code not in self.languages:
                raise LassError(
                    f"language {code} is not in the language list "
                    f"({', '.join(self.languages)}); add it to --langs or --lang-dict"
                )

    def check_options(self, given: "LanguageTokens", languages: bool) -> None:
        """Refuse options that contradict these tokens, those of training.

        Args:
            given: the tokens as the options of the translation have them.
            languages: whether the options name the languages at all.
        """
        contradictions = {
            "--encoder-langtok": (given.encoder, self.encoder, None),
            "--decoder-langtok": (given.decoder, self.decoder, False),
            "--lang-tok-style": (given.style, self.style, "multilingual"),
        }
        for option, (value, needed, default) in contradictions.items():
            if value not in (needed, default):
                raise LassError(
                    f"{option} is {value}, but the checkpoint was trained with "
                    f"{needed}; leave the option out"
                )
        if languages and given.languages != self.languages:
            raise LassError(
                f"the languages given ({', '.join(given.languages)}) are not those "
                f"that the checkpoint was trained with ({', '.join(self.languages)}); "
                "leave --langs and --lang-dict out"
            )

    def encoder_token(self, pair: Pair, dictionary: "Dictionary") -> int | None:
        """Index of the token before the source of *pair*, or None."""
        if self.encoder is None:
            return None
        language = pair.source if self.encoder == "src" else pair.target
        return self._index(language, dictionary)

    def decoder_token(self, pair: Pair, dictionary: "Dictionary") -> int | None:
        """Index of the token before the target of *pair*, or None."""
        return self._index(pair.target, dictionary) if self.decoder else None

    def _index(self, language: str, dictionary: "Dictionary") -> int:
        from fairseq.data.multilingual.multilingual_utils import get_lang_tok

        token = get_lang_tok(language, self.style)
        index = dictionary.index(token)
        if index == dictionary.unk():
            raise LassError(
                f"the dictionary has no language token {token}; use the dictionary and "
                "the --langs or --lang-dict that the model was trained with"
            )
        return index


def tokens_of_options(options: Mapping[str, Any]) -> LanguageTokens | None:
    """The language tokens of a task's *options*, None where they do not say.

    ``translation_multi_simple_epoch`` has the languages in ``--langs``, else
    ``--lang-dict``, else they are the sorted ones of ``--lang-pairs``. There are none
    where a file named there is not at hand.
    """
    if not {"encoder_langtok", "decoder_langtok"} & options.keys():
        return None
    encoder, decoder = options.get("encoder_langtok"), options.get("decoder_langtok")
    main = (options.get("langtoks") or {}).get("main")
    if main:  # goes before the other two in fairseq
        encoder, decoder = main
    return LanguageTokens(
        _languages_of_options(options),
        encoder or None,
        bool(decoder),
        str(options.get("lang_tok_style") or "multilingual"),
    )


def _languages_of_options(options: Mapping[str, Any]) -> tuple[str, ...]:
    langs, lang_dict = options.get("langs"), options.get("lang_dict")
    if langs:
        return tuple(langs.split(",") if isinstance(langs, str) else langs)
    if lang_dict:
        found = Path(lang_dict)
        return read_language_list(found) if found.is_file() else ()
    pairs = options.get("lang_pairs")
    return tuple(languages_of(parse_pairs(pairs))) if pairs else ()


def read_language_list(path: Path) -> tuple[str, ...]:
    """The languages of a model in the order of their tokens.

    Args:
        path: one language a line or separated by commas; or pairs of languages, as
            ``language_pairs.txt`` of M2M-100, whose languages are sorted.

    Raises:
        LassError: missing, empty, or a language is listed twice.
    """
    found = read_text(path, "a list of languages").replace(",", " ").split()
    if found and all("-" in item for item in found):
        return tuple(languages_of(parse_pairs(found)))
    _check_list(found)
    return tuple(found)


def forced_prefix(source: Tensor, token: int, prefix: Tensor | None) -> Tensor:
    """``(sentences, 1 or more)``: *prefix* behind *token*, unless it begins with it.

    Args:
        source: ``(sentences, length)`` of the batch.
        token: language token with which every translation begins.
        prefix: ``(sentences, length)`` that is forced beside it, or None.
    """
    forced = source.new_full((source.size(0), 1), token)
    if prefix is None:
        return forced
    if bool((prefix[:, :1] == forced).all()):
        return prefix
    return torch.cat([forced, prefix], dim=1)


def read_languages(
    langs: str | None, lang_dict: str | None, data: str, pairs: list[Pair]
) -> tuple[str, ...]:
    """The list of languages: ``--langs``, ``--lang-dict``, ``DATA/langs.txt`` or the
    sorted languages of the pairs, in this order of preference."""
    if langs and lang_dict:
        raise LassError("--langs and --lang-dict exclude each other; give one of them")
    if langs:
        found = [code.strip() for code in langs.split(",") if code.strip()]
    else:
        path = Path(lang_dict) if lang_dict else Path(data) / "langs.txt"
        if lang_dict and not path.is_file():
            raise LassError(f"the language list --lang-dict {path} does not exist")
        if not path.is_file():
            return tuple(languages_of(pairs))
        lines = read_text(path, "a list of languages").splitlines()
        found = [line.strip() for line in lines if line.strip()]
    _check_list(found)
    return tuple(found)


def _check_list(languages: list[str]) -> None:
    repeated = sorted({code for code in languages if languages.count(code) > 1})
    if repeated:
        raise LassError(f"language {repeated[0]} is listed more than once")
    if not languages:
        raise LassError("the list of languages is empty; check --langs or --lang-dict")
