"""Translations that are kept: what was translated before is not translated again.

What a pair is translated to depends on its sentences, the checkpoint, the pair's own
mask and how it is decoded. Each pair under each mask is a file of its own, named after
these: a run that was killed goes on, and systems in which a pair has the same mask
share its translations.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import Ready
from lass_plugin.evaluation.translation import Speed, Translator
from lass_plugin.files import read_json, write_json
from lass_plugin.languages import Pair


class KeptTranslations:
    """A folder of translations of one split.

    Args:
        sources: pair -> its sentences as text.
        decoding: with its ``remove_bpe`` found out (:func:`.texts.with_subwords`).
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        data: Path,
        split: str,
        sources: Mapping[str, Sequence[str]],
        decoding: Decoding,
    ):
        self._folder, self._split = Path(folder), split
        self._sentences = {key: len(lines) for key, lines in sources.items()}
        self._conditions = {
            "data": str(data.resolve()),
            "split": split,
            "decoding": decoding.to_dict(),
            "device": decoding.device.type,
        }
        self._sources = {
            key: hashlib.sha256("\n".join(lines).encode()).hexdigest()
            for key, lines in sources.items()
        }

    def missing(self, systems: Iterable[Ready]) -> int:
        """How many sentences have still to be translated for *systems*."""
        missing = {
            self._path(self._identity(ready, pair)): self._sentences[str(pair)]
            for ready in systems
            for pair in ready.task.pairs
            if self._read(ready, pair) is None
        }
        return sum(missing.values())

    def translate(
        self, translator: Translator, advance: Callable[[int, str], None]
    ) -> tuple[dict[str, list[str]], Speed]:
        """What :meth:`.Translator.translate` gives; translations that are missing are
        made and kept, pair after pair."""
        ready = translator.ready
        hypotheses, speed = {}, Speed(0, 0, 0.0)
        for pair in ready.task.pairs:
            found = self._read(ready, pair)
            if found is None:
                made, took = translator.translate(self._split, advance, [pair])
                found = made[str(pair)], took
                of = self._identity(ready, pair)
                content = {"of": of, "speed": asdict(took), "translations": found[0]}
                write_json(self._path(of), content)
            hypotheses[str(pair)] = found[0]
            speed += found[1]
        return hypotheses, speed

    def _identity(self, ready: Ready, pair: Pair) -> dict[str, Any]:
        """All that decides what the translations are."""
        state = ready.system.checkpoint.stat()
        checkpoint = str(ready.system.checkpoint.resolve())
        return {
            "checkpoint": [checkpoint, state.st_size, state.st_mtime_ns],
            "pair": str(pair),
            **ready.method.translation_identity(str(pair)),
            "sources": self._sources[str(pair)],
            **self._conditions,
        }

    def _path(self, identity: Mapping[str, Any]) -> Path:
        name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
        return self._folder / f"{identity['pair']}.{name}.json"

    def _read(self, ready: Ready, pair: Pair) -> tuple[list[str], Speed] | None:
        """What was kept; None where there is nothing, or nothing whole."""
        identity = self._identity(ready, pair)
        try:
            kept = read_json(self._path(identity), finite=False)
            of, lines, speed = kept["of"], kept["translations"], Speed(**kept["speed"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        whole = (
            of == identity
            and isinstance(lines, list)
            and len(lines) == self._sentences[str(pair)]
            and all(isinstance(line, str) for line in lines)
            and all(isinstance(value, (int, float)) for value in astuple(speed))
        )
        return (lines, speed) if whole else None
