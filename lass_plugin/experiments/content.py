"""What inputs hold, as digests: two files are the same input if their digests are.

A digest is remembered with size and time of change of its file, so that a large file
which has not been touched is read once; :class:`.stage.Stage` keeps what is remembered.
"""

import hashlib
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lass_plugin.errors import LassError

MARK = "sha256:"
"""Beginning of every digest."""

BLOCK = 1 << 20

OUTPUTS = ("--out", "--save-dir", "--masks-out", "--user-dir")
"""Options whose value is a place to write to, or this package."""

NO_MATTER = ("--jobs", "--threads", "--devices", "--num-workers", "--log-interval")
"""Options whose value does not matter to the result."""

SWITCHES = ("--cpu", "--no-progress-bar")
"""Options without a value that do not matter to it either."""

SPEEDS = "run.json"
"""Of an evaluation; earlier versions took it for an input where a folder was one."""

PART = "part of "
"""Beginning of the names of inputs that earlier versions did not look into."""

_EACH = re.compile(r"((?<!\S)[^\s{}=]*=)?([^\s{}=]*/)([^\s{}/]*\{\w+\}[^\s{}]*)")
"""A place of each pair, such as ``runs/{pair}/checkpoint_best.pt``."""

_OF_EACH = re.compile(r"([^\s{}]*/)([^\s{}/]*\{\w+\}[^\s{}]*)")
"""The same, whatever is in its name."""

_remembered: dict[tuple[str, str, int, int], str] = {}
"""(kind, path, size, time of change in ns) -> digest."""


def of_file(path: Path) -> str:
    """The digest of the bytes of a file.

    Raises:
        LassError: it cannot be read.
    """
    return _known(path, "bytes", lambda: _hash(_blocks(path)))


def of_weights(path: Path) -> str:
    """The digest of a checkpoint's weights and of what its task keeps beside them.

    That is masks, low-rank modules, language tokens; the state of the optimizer and
    how the training went do not matter to what is begun from it.

    Raises:
        LassError: it is no checkpoint.
    """
    from lass_plugin.checkpoints.checkpoint import Checkpoint

    def read() -> str:
        content = Checkpoint.read(path).content
        parts = {name: content.get(name) for name in ("model", "task_state")}
        return _hash(_pieces(parts))

    return _known(path, "weights", read)


def of_folder(folder: Path, patterns: Iterable[str] = ("**/*",)) -> dict[str, str]:
    """Name -> digest of the files of *folder* that match one of *patterns*.

    Logs, records of stages and hidden files are left out.
    """
    found = {path for pattern in patterns for path in folder.glob(pattern)}
    names = {path.relative_to(folder).as_posix(): path for path in found}
    return {
        name: of_file(path)
        for name, path in sorted(names.items())
        if path.is_file() and not _is_about_a_run(path.relative_to(folder))
    }


def of_data(
    folders: Sequence[Path],
    pairs: Iterable[Any],
    splits: Iterable[str] = ("train", "valid"),
) -> dict[str, str]:
    """Name -> digest of dictionaries and binarized data of *pairs*.

    Args:
        folders: the data folder, or shards of it.
        pairs: either direction of a pair stands for both.
        splits: those that the stage reads.
    """
    patterns = ["dict*.txt"]
    for name in _names(pairs):
        for split in splits:
            # fairseq trains on train1, train2 … as well
            for part in (split, f"{split}[0-9]", f"{split}[0-9][0-9]"):
                patterns += [f"{part}.{name}.*.bin", f"{part}.{name}.*.idx"]
    if len(folders) == 1:
        return of_folder(folders[0], patterns)
    return {
        f"shard {number}/{name}": digest
        for number, folder in enumerate(folders, start=1)
        for name, digest in of_folder(folder, patterns).items()
    }


def of_text(folder: Path, pairs: Iterable[Any]) -> dict[str, str]:
    """Name -> digest of the parallel text of *pairs*, as ``lass prepare`` finds it."""
    return of_folder(folder, [f"*.{name}.*" for name in _names(pairs)])


def _names(pairs: Iterable[Any]) -> list[str]:
    """What files of *pairs* are called: each may have either direction in its name."""
    codes = [str(pair).split("-") for pair in pairs]
    both = {f"{one}-{other}" for one, other in codes}
    return sorted(both | {f"{other}-{one}" for one, other in codes})


def of_words(
    words: Sequence[str],
    written: Sequence[Path],
    read: Callable[[Path], str] = of_file,
    coming: Sequence[Path] = (),
) -> dict[str, Any]:
    """The ``words`` of a command by their options, and what its ``inputs`` hold.

    Inputs are the files and folders that words name, but for what the command writes
    and what holds it: ``A``, ``NAME=A,B``, ``--masks=A``, shards ``A:B``,
    ``de-en:FILE,…`` and ``DIR/{pair}/FILE``.

    Args:
        written: files and folders that the command writes.
        read: gives the digest of a file.
        coming: files and folders that are inputs though they are not there yet.
    """
    kept: dict[str, list[str]] = {}
    inputs: dict[str, Any] = {}
    further: dict[str, list[Path]] = {}
    written, coming = _resolved(written), _resolved(coming)
    before = latest = ""
    for word in words:
        option, before = before, word if word.startswith("--") else ""
        if {option, word} & {*OUTPUTS, *NO_MATTER} or word in SWITCHES:
            continue
        name, _, value = word.rpartition("=")
        places = [Path(part) for part in value.split(",")]
        if not before and all(_is_input(place, written, coming) for place in places):
            inputs[f"{len(inputs) + 1} {option} {name}".strip()] = _of(places, read)
            word = f"{name}="
        elif name not in {*OUTPUTS, *NO_MATTER}:
            several = [
                [each for part in parts for each in _matching(part)]
                for parts in ways_to_name(word)
            ]
            word = movable(word) if _EACH.fullmatch(word) else word
            for places in several:
                if places and all(_is_input(place, written, ()) for place in places):
                    key = PART + f"{option} {word}".strip()
                    further.setdefault(key, []).extend(places)
                    break
        latest = before or latest
        kept.setdefault(latest, []).extend([] if before else [word])
    given = {name: " ".join(values) or True for name, values in kept.items()}
    inputs |= {key: _of(places, read) for key, places in further.items()}
    return {"words": given, "inputs": inputs}


def ways_to_name(word: str) -> list[list[str]]:
    """Places that *word* may name: the whole, or what is behind one of its ``=``,
    which names of files have, too (``base=runs/lr=0.1/model.pt``)."""
    parts = word.split("=")
    return [named("=".join(parts[start:])) for start in range(len(parts))]


def named(value: str) -> list[str]:
    """Places that a word may name: ``A,B``, shards ``A:B``, ``de-en:FILE,…``."""
    found: list[str] = []
    for part in value.split(","):
        first, *others = part.split(":")
        found += [first, *others] if not others or _is_there(Path(first)) else others
    return found


def movable(words: str) -> str:
    """*words* without what is before the ``{pair}`` of places of each pair."""
    return _EACH.sub(lambda found: (found[1] or "") + found[3], words)


def _matching(place: str) -> list[Path]:
    """*place*, or those that are there where it is of each pair."""
    if not (each := _OF_EACH.fullmatch(place)):
        return [Path(place)]
    try:
        return sorted(Path(each[1]).glob(re.sub(r"\{\w+\}", "*", each[2])))
    except OSError:  # too long for a name
        return []


def _of(places: Iterable[Path], read: Callable[[Path], str]) -> dict[str, str]:
    """Name -> digest of all files of *places*, which may be called alike."""
    found: dict[str, str] = {}
    for number, place in enumerate(places, start=1):
        for below, digest in _in(place, read).items():
            name = f"{place.name}/{below}".removesuffix("/")
            found[f"{number} {name}" if name in found else name] = digest
    return found


def _is_input(place: Path, written: Iterable[Path], coming: Iterable[Path]) -> bool:
    """Whether it is there to be read, neither a program nor where results go."""
    there = _is_there(place)
    if place.suffix == ".sh" or place == Path("."):
        return False
    place = place.resolve()
    if not there and not any(within(place, other) for other in coming):
        return False
    return not any(within(place, other) for other in written)


def _is_there(place: Path) -> bool:
    try:
        return place.exists()
    except OSError:  # too long for a name
        return False


def within(one: Path, other: Path) -> bool:
    """Whether one of two resolved places is the other, or is in it."""
    return all(map(operator.eq, one.parts, other.parts))


def _resolved(places: Iterable[Path]) -> list[Path]:
    return [place.resolve() for place in places]


def _in(place: Path, read: Callable[[Path], str]) -> dict[str, str]:
    if not place.exists():
        return {}
    return of_folder(place) if place.is_dir() else {"": read(place)}


def is_digest(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(MARK)


def remembered(value: Any) -> list[list[Any]]:
    """Where the digests in *value*, nested plain values, came from; for a record."""
    wanted = {each for each in _leaves(value) if is_digest(each)}
    return sorted(
        [*key, digest] for key, digest in _remembered.items() if digest in wanted
    )


def remember(entries: Iterable[Sequence[Any]]) -> None:
    """Take up what :func:`remembered` has given before."""
    for kind, path, size, changed, digest in entries:
        _remembered.setdefault((kind, path, size, changed), digest)


def _known(path: Path, kind: str, read: Any) -> str:
    try:
        state = path.stat()
    except OSError as error:
        raise LassError(f"cannot read {path}: {error.strerror or error}") from error
    key = (kind, str(path.resolve()), state.st_size, state.st_mtime_ns)
    if key not in _remembered:
        _remembered[key] = read()
    return _remembered[key]


def _hash(pieces: Iterable[bytes | memoryview]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return MARK + digest.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            while block := file.read(BLOCK):
                yield block
    except OSError as error:
        raise LassError(f"cannot read {path}: {error.strerror or error}") from error


def _pieces(value: Any) -> Iterator[bytes | memoryview]:
    """Bytes that tell *value* from any other, in an order that is always the same."""
    if isinstance(value, Mapping):
        for name in sorted(value, key=str):
            yield f"{{{name!r}:".encode()
            yield from _pieces(value[name])
        yield b"}"
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield b"["
            yield from _pieces(each)
        yield b"]"
    elif hasattr(value, "untyped_storage"):
        import torch

        yield f"{value.dtype}{tuple(value.shape)}".encode()
        yield memoryview(value.contiguous().reshape(-1).view(torch.uint8).numpy())
    else:
        yield repr(value).encode()


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


def _is_about_a_run(path: Path) -> bool:
    """Whether a file says how a run went, and is no other input if it went otherwise.

    ``run.json`` has the speed of an evaluation, which is another every time.
    """
    hidden = any(part.startswith(".") for part in path.parts)
    ours = path.name == SPEEDS or path.name.endswith("stage.json")
    return hidden or ours or path.suffix == ".log"
