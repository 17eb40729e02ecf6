"""Text in the case of its words inside of sentences, learned from training text."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from lass_plugin.data import moses
from lass_plugin.data.parallel_text import Bitext, read_lines
from lass_plugin.data.progress import Progress, tracked
from lass_plugin.data.text_steps import CASING, TextSteps, casing_digest
from lass_plugin.data.workers import Workers
from lass_plugin.files import atomic_path, json_once, write_bytes, write_text

_CHUNK = 2000


def learn_casing(
    texts: Sequence[Bitext],
    tokens: TextSteps,
    folder: Path,
    given: Sequence[Path],
    pool: Workers,
) -> TextSteps:
    """Write ``truecase.LANG`` of every language to *folder*; what is there is kept.

    Args:
        tokens: the steps that are still to be taken before words have their case.
        given: such files, which are all copied; other languages are learned from train.

    Returns:
        *tokens* and truecasing.
    """
    made, jobs = [], []
    for path in given:
        made.append(folder / path.name)
        if not made[-1].exists():
            write_bytes(made[-1], path.read_bytes())
    training = [text for text in texts if text.split == "train"]
    files: dict[str, list[Path]] = {}
    for text in texts:
        for code, _ in text.sides:
            files.setdefault(code, [])
    for text in training:
        for code, path in text.sides:
            files[code].append(path)
    for code, paths in sorted(files.items()):
        place = folder / CASING.format(code)
        if place not in made:
            made.append(place)
        if not place.exists():
            jobs += [_Learned(code, path, tokens) for path in paths]
    forms: dict[str, Counter[str]] = {job.language: Counter() for job in jobs}
    sizes = [job.path.stat().st_size for job in jobs]
    found = pool.map(_count_forms, jobs)
    for job, counts in zip(jobs, tracked("learning case", found, sizes), strict=True):
        forms[job.language].update(counts)
    for code, counts in forms.items():
        write_text(folder / CASING.format(code), moses.casing_model(counts))
    return replace(tokens, casing=folder, digest=casing_digest(made))


@dataclass(frozen=True)
class _Learned:
    language: str
    path: Path
    tokens: TextSteps


def _count_forms(job: _Learned) -> Counter[str]:
    lines = read_lines(job.path)
    return moses.count_forms(job.tokens.split(line, job.language) for line in lines)


def truecase_texts(
    texts: Sequence[Bitext],
    steps: TextSteps,
    folder: Path,
    pool: Workers,
    lines: int,
) -> list[Bitext]:
    """Write every text of tokens to *folder* truecased; what is there is kept.

    Args:
        lines: of all texts, for the progress.
    """
    progress = Progress("truecasing", lines)
    made = []
    for text in texts:
        source, target = (folder / f"{text.name}.{code}" for code, _ in text.sides)
        made.append(replace(text, source=source, target=target))

        def write(text: Bitext = text, places: Bitext = made[-1]) -> int:
            for (code, path), (_, place) in zip(text.sides, places.sides, strict=True):
                with contextlib.ExitStack() as stack:
                    temporary = stack.enter_context(atomic_path(place))
                    file = stack.enter_context(open(temporary, "wb"))
                    for chunk in pool.map(_truecase, _chunks(path, code, steps)):
                        file.writelines(f"{line}\n".encode() for line in chunk)
                        progress.advance(len(chunk) // 2, text.name)
            return 1

        json_once(folder / f"{text.name}.json", write)
    progress.finish()
    return made


@dataclass(frozen=True)
class _Chunk:
    steps: TextSteps
    language: str
    lines: list[str]


def _chunks(path: Path, language: str, steps: TextSteps) -> Iterator[_Chunk]:
    lines = read_lines(path)
    while block := list(islice(lines, _CHUNK)):
        yield _Chunk(steps, language, block)


def _truecase(chunk: _Chunk) -> list[str]:
    return [chunk.steps.truecase(line, chunk.language) for line in chunk.lines]
