"""The text of a pair taken out of its published files: in its form, cleaned, split."""

import contextlib
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lass_plugin.corpora.archives import text_size
from lass_plugin.corpora.jobs import Job, Write, advancing, by_chunks, writing
from lass_plugin.corpora.lines import LineForm
from lass_plugin.corpora.segments import Part, read_part
from lass_plugin.corpora.settings import Sample
from lass_plugin.data.cleaning import Counts, Limits, LinePair, clean
from lass_plugin.data.progress import Progress
from lass_plugin.data.workers import Workers
from lass_plugin.errors import LassError
from lass_plugin.files import json_once


@dataclass
class Taking:
    """The taking of one pair; *pool* gives lines their form."""

    job: Job
    pool: Workers
    progress: Progress | None = None
    segments: Counter[str] = field(default_factory=Counter)
    """Name of a part -> segments that were read."""

    def pairs(self, parts: Iterable[Part], counted: bool = True) -> Iterator[LinePair]:
        """Yield the segments of *parts*, one part behind the other."""
        for part in parts:
            source, target = (
                self.job.files[name] for name in (part.source, part.target)
            )
            pairs = read_part(part, source, target)
            for pair in advancing(pairs, self.progress, part_size(self.job, part), ""):
                self.segments[part.name] += counted
                yield pair

    def formed(self, pairs: Iterable[LinePair]) -> Iterator[LinePair]:
        """Yield *pairs* in the form of the corpus."""
        about = self.job.settings.form(), self.job.codes
        return by_chunks(_form, about, pairs, self.pool)

    def cleaned(self, pairs: Iterable[LinePair], counts: Counts) -> Iterator[LinePair]:
        """Yield training pairs that keep to the rules."""
        drop, limits = self.job.settings.drops_duplicates, self.job.settings.limits()
        return clean(pairs, limits, self.job.codes, counts, drop)

    def write(
        self, pairs: Iterable[LinePair], write: Write, training: bool = False
    ) -> dict[str, Any]:
        """Write pairs, those of training cleaned, and count them."""
        counts = Counts()
        if training:
            kept = self.cleaned(self.formed(pairs), counts)
        else:  # what has text on both sides
            kept = clean(self.formed(pairs), Limits(), self.job.codes, counts)
        for pair in kept:
            write(pair)
        return counts.as_json()


def part_size(job: Job, part: Part) -> int:
    """Bytes of the text of a part; 0 where its files are not there."""
    names = {part.source, part.target}
    return sum(text_size(job.files[name]) for name in names if name in job.files)


def reading_size(job: Job) -> int:
    """Bytes that are read to take the text of a pair; what is sampled is read again."""
    sizes = {split: 0 for split, _ in job.text.parts}
    for split, part in job.text.parts:
        sizes[split] += part_size(job, part)
    if job.text.sample is not None:
        sizes["train"] *= 1 + len(job.text.sample.sizes)
    return sum(sizes.values())


def take_alone(job: Job) -> dict[str, Any]:
    """Take a pair in this process, see :func:`take`."""
    return take(job, Workers(1))


def take(job: Job, pool: Workers, progress: Progress | None = None) -> dict[str, Any]:
    """Write the text of a pair into ``work/taken``: in its form, cleaned and split.

    Returns:
        ``parts`` (name -> segments), ``absent`` (parts), ``origins`` (split -> parts),
        and counts of each split.
    """
    taking = Taking(job, pool, progress)
    return json_once(job.taken / "counts.json", lambda: _take(taking))  # type: ignore[no-any-return]


def _take(taking: Taking) -> dict[str, Any]:
    job = taking.job
    parts: dict[str, list[Part]] = {split: [] for split, _ in job.text.parts}
    absent: list[Part] = []
    for split, part in job.text.parts:
        (parts[split] if _is_there(job, part) else absent).append(part)
    missing = "; ".join(part.name for part in absent)
    for split, present in parts.items():
        if not present:
            raise LassError(
                f"there is no {split} text of {job.text.pair}: {missing} are not where "
                f"they should be; get them from {job.settings.ORIGIN}"
            )
    counts: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        writers = {
            split: stack.enter_context(writing(job.taken, split, job.codes))
            for split in job.text.splits
        }
        for split in ("valid", "test"):
            if split in parts:
                pairs = taking.pairs(parts[split])
                counts[split] = taking.write(pairs, writers[split])
        if "train" in parts:
            counts |= _take_training(taking, parts["train"], writers)
        _refuse_nothing(job, counts)
    names = [part.name for part in absent]
    origins = {split: [part.name for part in found] for split, found in parts.items()}
    about = {"parts": dict(taking.segments), "absent": names, "origins": origins}
    return {**about, **counts}


def _is_there(job: Job, part: Part) -> bool:
    """Whether the files of a part are there; both of them or none.

    Raises:
        LassError: an archive has only one of the two.
    """
    names = {part.source, part.target}
    missing = sorted(names - job.files.keys())
    if missing and (not part.optional or len(missing) < len(names)):
        raise LassError(
            f"the archives of {job.text.pair} have no {missing[0]}; they are not those "
            f"of {job.settings.ORIGIN}, or not whole"
        )
    return not missing


def _refuse_nothing(job: Job, counts: Mapping[str, Any]) -> None:
    for split in job.text.splits:
        if not counts[split]["kept"]:
            raise LassError(
                f"nothing is left of the {split} text of {job.text.pair}: of "
                f"{counts[split]['read']} pairs none is kept; loosen the limits"
            )


def _form(chunk: tuple[tuple[LineForm, tuple[str, str]], list[LinePair]]) -> list:
    (form, (one, other)), pairs = chunk
    return [
        (form.apply(source, one), form.apply(target, other)) for source, target in pairs
    ]


def _take_training(
    taking: Taking, parts: list[Part], writers: Mapping[str, Write]
) -> dict[str, Any]:
    """Write training text, and what is set apart from it for valid and test."""
    text = taking.job.text
    if text.sample is not None:
        return _take_sample(taking, parts, text.sample, writers)
    counts, apart = Counts(), Counts()
    pairs = taking.formed(taking.pairs(parts))
    for number, pair in enumerate(taking.cleaned(pairs, counts), start=1):
        if text.every and number % text.every == 0:
            apart.read += 1
            apart.kept += 1
            counts.kept -= 1
            writers["valid"](pair)
        else:
            writers["train"](pair)
    found = {"train": counts.as_json()}
    return {"valid": apart.as_json(), **found} if text.every else found


def _take_sample(
    taking: Taking, parts: list[Part], sample: Sample, writers: Mapping[str, Write]
) -> dict[str, Any]:
    """Write the pairs that are drawn; pairs with an empty side are never drawn."""
    pair = taking.job.text.pair
    whole = sum(1 for _ in _whole(taking.pairs(parts)))
    wanted = sum(sample.sizes.values())
    if whole < wanted:
        sizes = ", ".join(f"{size} for {split}" for split, size in sample.sizes.items())
        raise LassError(
            f"the text of {pair} has {whole} pairs, and {wanted} are to be drawn "
            f"({sizes}); give a smaller --sample"
        )
    drawn = random.Random(f"{sample.seed} {pair}").sample(range(whole), wanted)
    found = {}
    for split, size in sample.sizes.items():
        chosen, drawn = frozenset(drawn[:size]), drawn[size:]
        again = enumerate(_whole(taking.pairs(parts, counted=False)))
        pairs = (pair for number, pair in again if number in chosen)
        found[split] = taking.write(pairs, writers[split], split == "train")
    return found


def _whole(pairs: Iterable[LinePair]) -> Iterator[LinePair]:
    """Yield the pairs that have text on both sides."""
    return (pair for pair in pairs if pair[0].strip() and pair[1].strip())
