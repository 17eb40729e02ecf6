"""The sentences of a split: tokens as a model reads them, and text beside the data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fairseq.data import Dictionary, LanguagePairDataset, ListDataset
from fairseq.data.data_utils import post_process

from lass_plugin.data import pair_data
from lass_plugin.data.data_folder import text_steps_of
from lass_plugin.data.pairs_dataset import PairsDataset
from lass_plugin.data.parallel_text import read_lines
from lass_plugin.errors import LassError
from lass_plugin.evaluation.scored_form import ScoredForm
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import Ready
from lass_plugin.evaluation.text_forms import check_stored, without_subwords
from lass_plugin.files import write_text
from lass_plugin.languages import Pair


@dataclass(frozen=True)
class TestSet:
    """Sources and references of each pair as text; *origin* says what they are."""

    __test__ = False  # not a class of tests

    split: str
    sources: Mapping[str, list[str]]
    references: Mapping[str, list[str]]
    origin: str

    @property
    def sentences(self) -> int:
        return sum(map(len, self.references.values()))

    def in_form(self, form: ScoredForm) -> "TestSet":
        """The same in the form that is scored."""
        return replace(
            self,
            sources=form.of_given(self.sources, "source"),
            references=form.of_given(self.references, "target"),
        )

    def write(self, out: Path) -> None:
        """Write what translations were made and scored from, to score them again."""
        write_texts(out / "sources", self.split, self.sources, side="source")
        write_texts(out / "references", self.split, self.references)


def read_test_set(
    ready: Ready, split: str, decoding: Decoding, references: Path | None = None
) -> TestSet:
    """Sources and references of the pairs of *ready*, as many as *decoding* says.

    Both are in the form of the text that the data was made from; subwords, as they lie
    beside data of ``lass prepare --subword none``, are removed.

    Args:
        references: folder of ``SPLIT.SRC-TGT.LANG``; None for ``raw`` of the data, or
            if that has none the text of the dictionary.

    Raises:
        LassError: a pair has no data, no reference in *references*, or a file has
            another number of lines than the data has sentences, or is of other text.
    """
    raw = ready.data / "raw"
    kept, steps = keeps_subwords(ready, decoding), text_steps_of(ready.data)
    sources: dict[str, list[str]] = {}
    targets: dict[str, list[str]] = {}
    lossy = []
    for key, part in load_sources(ready, split).parts.items():
        pair = Pair.parse(key)
        for side, found in (("source", sources), ("target", targets)):
            given = references if side == "target" else None
            language = getattr(pair, side)
            path = find_raw(given or raw, split, pair, language)
            if path is not None:
                lines = list(read_lines(path))
                if len(lines) != len(part):
                    raise LassError(
                        f"{path} has {len(lines)} lines but the {split} data of {pair} "
                        f"has {len(part)} sentences; give the text that the data was "
                        "prepared from, line for line"
                    )
                lines = without_subwords(lines, path, kept and side == "target")
                if given is None:
                    how = (ready, split, pair, side, decoding.remove_bpe)
                    check_stored(path, lines, _dictionary_text(*how))
            elif given is not None:
                raise LassError(
                    f"{given} has no references of {pair} (looked for "
                    f"{split}.{pair}.{language} and the reverse order); add them or "
                    "leave the pair out of --pairs"
                )
            else:
                lines = _dictionary_text(ready, split, pair, side, decoding.remove_bpe)
                if not kept:
                    lines = [steps.undo(line, language) for line in lines]
                lossy += [key] if side == "target" else []
            found[key] = lines[: decoding.limit]
    origin = f"references: {references or raw}"
    if lossy:
        where = "" if len(lossy) == len(targets) else f" for {', '.join(lossy)}"
        origin = (
            f"references{where}: the binarized {split} data of {ready.data}, because "
            f"{raw} has none; words that the dictionary lacks are lost, so these "
            "scores compare only with each other"
        )
    return TestSet(split, sources, targets, origin)


def keeps_subwords(ready: Ready, decoding: Decoding) -> bool:
    """Whether translations are left in the subwords that the data is made of."""
    in_data = find_subwords(ready.data, ready.task.target_dictionary)
    return decoding.remove_bpe == "none" != in_data


def read_test_sets(
    members: Sequence[Ready],
    split: str,
    how: Mapping[Ready, Decoding],
    references: Path | None = None,
) -> TestSet:
    """The test set of a system of several models, each with pairs of its own."""
    sets = [read_test_set(each, split, how[each], references) for each in members]
    return TestSet(
        split,
        {key: lines for each in sets for key, lines in each.sources.items()},
        {key: lines for each in sets for key, lines in each.references.items()},
        "; ".join(dict.fromkeys(each.origin for each in sets)),
    )


def check_sentences(
    ready: Ready, test_set: TestSet, decoding: Decoding, data: Path
) -> None:
    """Refuse data of a system that are not of the test set's sentences.

    Args:
        data: a folder that the test set is of.

    Raises:
        LassError: names the folder and the pair.
    """
    if text_steps_of(ready.data).undone != text_steps_of(data).undone:
        raise LassError(
            f"{ready.data} of system {ready.system.name} was prepared with other steps "
            f"of Moses (--moses, --truecase) than {data}; prepare both alike"
        )
    own = read_test_set(ready, test_set.split, decoding)
    kept = keeps_subwords(ready, decoding)
    for key, lines in own.references.items():
        if kept and lines != test_set.references[key]:
            raise LassError(
                f"--remove-bpe none leaves translations of system {ready.system.name} "
                f"in the subwords of {ready.data}, which are others than those of "
                f"{data} in the references; leave that option out"
            )
    for key, lines in own.sources.items():
        if lines != test_set.sources[key]:
            raise LassError(
                f"the {test_set.split} data of {key} in {ready.data} are other "
                f"sentences than those that system {ready.system.name} is compared on; "
                "prepare them from the same text, which 'lass prepare' keeps in raw/"
            )


def decoding_of(ready: Ready, decoding: Decoding) -> Decoding:
    """*decoding* for a system, with the subwords of its data; :func:`with_subwords`."""
    return with_subwords(decoding, ready.data, ready.task.target_dictionary)


def _dictionary_text(
    ready: Ready, split: str, pair: Pair, side: str, subwords: str
) -> list[str]:
    """One side of the binarized data as text, without language tokens.

    Unknown words are lost; ``<<unk>>`` stands for them, as in fairseq-generate, so that
    an ``<unk>`` of the model does not match them.
    """
    task = ready.task
    no_tokens = replace(task.tokens, encoder=None, decoder=False)
    of_target = side == "target"
    part = load_part(ready, split, pair, tokens=no_tokens, with_target=of_target)
    lines, dictionary = part.src, task.source_dictionary
    if of_target:
        lines, dictionary = part.tgt, task.target_dictionary
    unknown = f"<{dictionary.unk_word}>"
    return [
        to_text(lines[index].tolist(), dictionary, subwords, set(), unknown)
        for index in range(len(lines))
    ]


def find_raw(folder: Path, split: str, pair: Pair, language: str) -> Path | None:
    """The file ``SPLIT.SRC-TGT.LANG`` of *folder*; the pair may be in either order."""
    for order in (pair, Pair(pair.target, pair.source)):
        path = folder / f"{split}.{order}.{language}"
        for found in (path, path.with_name(f"{path.name}.gz")):
            if found.is_file():
                return found
    return None


def write_texts(
    folder: Path,
    split: str,
    lines_of: Mapping[str, Sequence[str]],
    side: str = "target",
) -> None:
    """Write ``SPLIT.SRC-TGT.LANG`` for every pair, one sentence a line.

    Args:
        side: ``source`` or ``target``: whose language LANG is.
    """
    for key, lines in lines_of.items():
        path = folder / f"{split}.{key}.{getattr(Pair.parse(key), side)}"
        write_text(path, "".join(f"{line}\n" for line in lines))


def load_part(ready: Ready, split: str, pair: Pair, **how: Any) -> LanguagePairDataset:
    """The data of one pair of *ready*; *how* as in :func:`.pair_data.load_pair`."""
    task = ready.task
    source, target = task.source_dictionary, task.target_dictionary
    how = {"tokens": task.tokens, **how}
    return pair_data.load_pair(ready.data, split, pair, source, target, **how)


def load_sources(
    ready: Ready,
    split: str,
    limit: int | None = None,
    cut: int | None = None,
    pairs: Sequence[Pair] | None = None,
) -> PairsDataset:
    """The sources of *split*, without their targets, so that these cannot matter.

    Args:
        limit: take the first sentences of every pair only.
        cut: cut sources to so many tokens.
        pairs: some of the pairs of *ready*; None for all.
    """
    left = ready.task.cfg.left_pad_source
    how = {"left_pad_source": left, "truncate_source": cut, "with_target": False}
    parts = {}
    for pair in ready.task.pairs if pairs is None else pairs:
        part = load_part(ready, split, pair, **how)
        if limit is not None:
            sizes = part.src_sizes[:limit]
            first = ListDataset([part.src[index] for index in range(len(sizes))], sizes)
            padded = {"left_pad_source": part.left_pad_source}
            part = LanguagePairDataset(first, sizes, part.src_dict, **padded)
        parts[str(pair)] = part
    return PairsDataset(parts, split)


def with_subwords(decoding: Decoding, data: Path, dictionary: Dictionary) -> Decoding:
    """*decoding* with its ``remove_bpe`` found out, where that is ``auto``.

    Raises:
        LassError: it is another kind of subwords than that of the data.
    """
    found, given = find_subwords(data, dictionary), decoding.remove_bpe
    if given == "auto":
        return replace(decoding, remove_bpe=found)
    if "none" not in (found, given) and found != given:
        raise LassError(
            f"--remove-bpe {given} does not fit {data}, which is made of subwords of "
            f"{found}; leave it out"
        )
    return decoding


def find_subwords(data: Path, dictionary: Dictionary) -> str:
    """Which of :data:`.settings.SUBWORDS` (but ``auto``) the data folder is made of.

    The model file that ``lass prepare`` leaves there decides, else the marks on the
    symbols of the dictionary: ▁ before a word, @@ at the end of a piece. Less than one
    in a hundred are words of a text that happen to look like that.
    """
    if (data / "spm.model").is_file():
        return "sentencepiece"
    if (data / "bpe.codes").is_file():
        return "subword_nmt"
    symbols = dictionary.symbols[dictionary.nspecial :]
    # every model of SentencePiece has the mark as a piece; hardly any text has the word
    before_words = sum(symbol.startswith("\u2581") for symbol in symbols)
    if "\u2581" in symbols or before_words * 100 > len(symbols):
        return "sentencepiece"
    joined = sum(symbol.endswith("@@") for symbol in symbols)
    return "subword_nmt" if joined * 100 > len(symbols) else "none"


def to_text(
    tokens: Iterable[int],
    dictionary: Dictionary,
    subwords: str,
    leave_out: set[int],
    unknown: str | None = None,
) -> str:
    """Join the symbols of *tokens* and remove the subwords.

    Args:
        leave_out: indices that are no text, such as language tokens; the ends of
            sentences and padding are always left out.
        unknown: what to write for a word that is not in the dictionary.
    """
    ignored = leave_out | {dictionary.bos(), dictionary.eos(), dictionary.pad()}
    unk = unknown or dictionary.unk_word
    symbols = [
        unk if index == dictionary.unk() else dictionary[index]
        for index in tokens
        if index not in ignored
    ]
    return post_process(" ".join(symbols), subwords)
