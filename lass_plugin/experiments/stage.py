"""A stage: work in a folder that knows what it was made with.

A result is reused only for the very call that made it. A stage carries its identity, a
nested mapping of plain values, and writes it beside the result; started again it is
done, to be continued, or refused by the name of what differs::

    stage = Stage(
        folder,
        "search of de-en",
        {
            "command": "lass search",
            "options": {"ratio": 0.6, "updates": 80_000},
            "inputs": content.of_data([data], ["de-en"]),
            "base": content.of_weights(base),
        },
    )
    with stage.held() as state:
        if state is not State.DONE:
            stage.finish(make())

Whoever makes the identity leaves out the options that do not matter to the result:
devices, jobs, threads. Inputs and bases are in it by content, see :mod:`.content`.
"""

import contextlib
import enum
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.experiments import content
from lass_plugin.locks import LOCK, FolderLock
from lass_plugin.records.json_record import RecordFormat

RECORD = "stage.json"
STAGE = RecordFormat(
    "lass_plugin stage",
    "the record of what its folder was made with",
    advice="choose another folder, or remove it if its folder is of this very call",
)

SAME_OPTIONS = "go on with the same options or choose another --out"
OR_FRESH = f"{SAME_OPTIONS}, or add --fresh to do it again there"

_INPUT = re.compile(r"(?<!\S)=(?!\S)")
"""What stands in the words of a command where an input was, see :mod:`.content`."""

SHOWN = 3
"""Differences that are named in a message."""


class State(enum.Enum):
    """What is to be done in the folder of a stage."""

    NEW = "new"
    CONTINUE = "to be continued"
    DONE = "done"


@dataclass
class Stage:
    """Work in *folder*, and what it is made with.

    A folder that an earlier version began has no record; :meth:`adopt` says what is
    known of it.
    """

    folder: Path
    what: str
    """For messages: "search of de-en"."""
    identity: Mapping[str, Any]
    """``command``, ``options``, ``inputs``, ``base``, ``method``; what each holds is
    the caller's to say, in values that JSON has."""
    advice: str = SAME_OPTIONS
    """What to do where the folder is of another call."""
    continues: Mapping[str, Callable[[Any, Any], bool]] = field(default_factory=dict)
    """Place in the identity (``options.updates``) -> whether a call may go on that has
    the second value where the folder was begun with the first."""
    hints: Mapping[str, str] = field(default_factory=dict)
    """Place in the identity -> what else may help one who wants another value."""
    name: str = RECORD
    """File of the record, for stages that share a folder."""

    def __post_init__(self) -> None:
        self.identity = json.loads(json.dumps(self.identity, default=str))
        self._record: dict[str, Any] | None = None
        self._read = False

    # -- what is there ---------------------------------------------------------------

    @property
    def path(self) -> Path:
        """The file of the record."""
        return self.folder / self.name

    def lock(self) -> FolderLock:
        """The lock of whoever works at the stage."""
        name = LOCK if self.name == RECORD else f".{self.name}.running"
        return FolderLock(self.folder, self.what, name)

    @property
    def record(self) -> Mapping[str, Any] | None:
        """What the folder was begun with; None where nobody says.

        Raises:
            LassError: the file is damaged or of a later version.
        """
        if not self._read:
            self._record = read_record(self.path)
            self._read = True
        return self._record

    def adopt(
        self, known: Mapping[str, Any], results: Iterable[Path] | None = None
    ) -> None:
        """Take over a folder of an earlier version, which has no record.

        What is known is compared; the rest is believed to be as it is wanted now. A
        folder with a record stays as it is.

        Args:
            known: parts of an identity, such as ``{"options": {"updates": 6}}``.
            results: of a finished stage; None for one that goes on.
        """
        if self.record is None:
            known = json.loads(json.dumps(known, default=str))
            self._record = self._new_record(_filled(self.identity, known), results)

    def state(self) -> State:
        """Whether the stage is new, to be continued, or done.

        Raises:
            LassError: the folder is of another call; says what differs.
        """
        record = self.record
        if record is None:
            return State.NEW
        differing = list(_differences(record["identity"], self.identity))
        refused = [
            each
            for each in differing
            if not (rule := self.continues.get(".".join(each[0])))
            or not rule(each[1], each[2])
        ]
        if refused:
            raise LassError(self._refusal(refused))
        if differing or record["results"] is None:
            return State.CONTINUE
        whole = all(map(self._is_there, record["results"].items()))
        return State.DONE if whole else State.CONTINUE

    # -- what is done ----------------------------------------------------------------

    @contextlib.contextmanager
    def held(self, fresh: bool = False, made: Iterable[str] = ()) -> Iterator[State]:
        """Hold the folder alone, say what is to be done in it, and note that it is.

        Args:
            fresh: whatever was there does not count, and is removed.
            made: files and folders that the command makes in the folder; while none
                is there, it may begin another way.

        Raises:
            LassError: see :meth:`state`; or another process is at work in the folder,
                or others have made what the command makes.
        """
        makes = [self.folder / name for name in made]
        present = [path for path in makes if path.exists()]
        fresh = fresh or bool(makes and not present)
        if present and self._record is None and not self.path.is_file():
            raise LassError(
                f"{self.folder} holds {present[0].name}, which "
                f"{self.identity['command']} did not make; choose another --out"
            )
        if not fresh:
            self.state()  # a refusal leaves the folder as it is
        with self.lock():
            if self.path.is_file():
                self._read = False  # another process may have been at work since
            state = State.NEW if fresh else self.state()
            for path in present * fresh:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            if state is State.DONE:
                self.keep()
            else:
                self.begin()
            yield state

    def begin(self) -> None:
        """Write down what the folder is made with from now on."""
        self._write(self._new_record(self.identity, None))

    def keep(self) -> None:
        """Write down a finished stage of an earlier version that was adopted."""
        if self._record is not None and not self.path.is_file():
            self._write(self._record)

    def finish(self, results: Iterable[Path]) -> None:
        """Write down that the stage is done, and what *results* hold."""
        self._write(self._new_record(self.identity, results))

    def _new_record(
        self, identity: Mapping[str, Any], results: Iterable[Path] | None
    ) -> dict[str, Any]:
        made = None
        if results is not None:
            made = {self._relative(path): content.of_file(path) for path in results}
        return {"stage": self.what, "identity": identity, "results": made}

    def _write(self, record: dict[str, Any]) -> None:
        seen = content.remembered([record["identity"], record["results"]])
        STAGE.write(self.path, {**record, "seen": seen}, rows=True)
        self._record, self._read = record, True

    def _relative(self, path: Path) -> str:
        """Name of a result: below the folder by its place there."""
        path, folder = path.resolve(), self.folder.resolve()
        return str(path.relative_to(folder) if path.is_relative_to(folder) else path)

    def _is_there(self, result: tuple[str, str]) -> bool:
        path = self.folder / result[0]
        return path.is_file() and content.of_file(path) == result[1]

    def _refusal(self, differing: list[tuple[tuple[str, ...], Any, Any]]) -> str:
        parts = [_said(*each) for each in differing[:SHOWN]]
        if len(differing) > SHOWN:
            parts.append(f"{len(differing) - SHOWN} further differences")
        hints = [self.hints.get(".".join(place), "") for place, _, _ in differing]
        hint = "".join(f" ({text})" for text in hints if text)
        return (
            f"the {self.what} in {self.folder} was begun with {'; '.join(parts)}; "
            f"{self.advice}{hint}"
        )


def read_record(path: Path) -> dict[str, Any] | None:
    """The record of a stage, None where there is none.

    Raises:
        LassError: it is damaged or of a later version.
    """
    if not path.is_file():
        return None
    with STAGE.reading(path) as record:
        for name, kind in {"identity": dict, "results": dict, "seen": list}.items():
            value = record[name]
            if not isinstance(value, kind) and (name, value) != ("results", None):
                raise ValueError(f"{name} is {type(value).__name__}")
        content.remember(record.pop("seen"))
        inputs = record["identity"].get("inputs")
        for files in inputs.values() if isinstance(inputs, dict) else ():
            for name in [*files] if isinstance(files, dict) else ():
                if name.endswith(f"/{content.SPEEDS}"):
                    del files[name]
        return record


def _differences(
    before: Any, now: Any, place: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """(place, value before, value now) of all that differs; missing is None."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in dict.fromkeys([*now, *before]):
            yield from _differences(before.get(name), now.get(name), (*place, name))
    elif before != now:
        yield place, before, now


def _filled(wanted: Any, known: Any) -> Any:
    """*known* with everything that it does not say as in *wanted*."""
    if not isinstance(wanted, Mapping) or not isinstance(known, Mapping):
        return known
    rest = {name: value for name, value in wanted.items() if name not in known}
    both = {name: _filled(wanted.get(name), value) for name, value in known.items()}
    return {**rest, **both}


def _said(place: tuple[str, ...], before: Any, now: Any) -> str:
    """One difference: ``--ramp 3, not 4`` or ``another train.de-en.de.bin (…)``."""
    kind, *rest = place
    label = "/".join(rest) or kind
    if kind in ("options", "flags") and rest:
        label = f"--{label.replace('_', '-')}"
    digests = [content.is_digest(value) for value in (before, now)]
    if all(digests):
        start = len(content.MARK)
        one, other = (value[start : start + 8] for value in (before, now))
        return f"another {label} (content {one}, now {other})"
    if any(digests):
        return f"a {label} that is {'gone' if now is None else 'another'} now"
    if label.startswith("--") and before in (None, "", []):
        return f"no {label}, and not {_shown(now)}"
    return f"{label} {_shown(before)}, not {_shown(now)}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value)) or "nothing"
    if isinstance(value, Mapping):
        if any(map(content.is_digest, value.values())):
            return "that of now"
        return " ".join(f"--{name} {each}" for name, each in value.items())
    if value is None or value == "":
        return "nothing"
    return _INPUT.sub("…", str(value))
