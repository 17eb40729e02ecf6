"""Translations that are kept: what was translated before is not translated again.

What a pair is translated to depends on its sentences, the checkpoint, the pair's own
part of it and how it is decoded. Each pair under each part is a file of its own, named
after these: a run that was killed goes on, several processes share the pairs, and
systems in which a pair has the same mask share its translations.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

from lass_plugin.checkpoints.trained_with import entry_of
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import Ready
from lass_plugin.evaluation.texts import load_sources
from lass_plugin.evaluation.translation import Speed, Translator
from lass_plugin.files import read_json, stamp, write_json
from lass_plugin.languages import Pair
from lass_plugin.records.json_record import digest_of
from lass_plugin.records.versions import versions_here

FOLDER = ".kept"
"""Of an evaluation; hidden, since it is no result of it."""

COMPUTES = ("torch", "fairseq", "lass-plugin")
"""What translations depend on the version of."""


class KeptTranslations:
    """A folder of translations of one split."""

    def __init__(self, folder: str | os.PathLike, split: str):
        self._folder, self._split = Path(folder), split
        versions = versions_here()
        self._versions = {name: versions[name] for name in COMPUTES}
        self._identities: dict[tuple[Ready, Pair], dict[str, Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to know, which has models of its own."""
        return {**vars(self), "_identities": {}}

    def missing(
        self, how: Mapping[Ready, Decoding]
    ) -> dict[Path, tuple[Ready, Pair, int]]:
        """What has still to be translated: file -> system, pair, sentences.

        Where something has been translated before, it is said.

        Args:
            how: system -> how it is decoded, with its ``remove_bpe`` found out
                (:func:`.texts.with_subwords`).
        """
        wanted, missing = set[Path](), {}
        for ready, decoding in how.items():
            for pair in ready.task.pairs:
                of = self._identity(ready, pair, decoding)
                wanted.add(path := self._path(of))
                if self._read(of) is None:
                    missing[path] = (ready, pair, of["sentences"])
        if found := len(wanted) - len(missing):
            what = f"{found} of {len(wanted)} translations of a pair"
            print(f"{what} are there ({self._folder})", file=sys.stderr, flush=True)
        return missing

    def translate(
        self,
        ready: Ready,
        decoding: Decoding,
        translator: Callable[[Ready, Decoding], Translator],
        advance: Callable[[int, str], None] = lambda sentences, pair: None,
        pairs: Sequence[Pair] | None = None,
    ) -> tuple[dict[str, list[str]], Speed]:
        """What :meth:`.Translator.translate` gives; what is missing is made and kept.

        Args:
            translator: called if something is missing, at most once.
            pairs: some of the pairs of *ready*; None for all.
        """
        hypotheses, speed, made_by = {}, Speed(0, 0, 0.0), None
        for pair in ready.task.pairs if pairs is None else pairs:
            of = self._identity(ready, pair, decoding)
            found = self._read(of)
            if found is None:
                made_by = made_by or translator(ready, decoding)
                made, took = made_by.translate(self._split, advance, [pair])
                found = made[str(pair)], took
                content = {"of": of, "speed": asdict(took), "translations": found[0]}
                write_json(self._path(of), content)
            hypotheses[str(pair)] = found[0]
            speed += found[1]
        return hypotheses, speed

    def _identity(self, ready: Ready, pair: Pair, decoding: Decoding) -> dict[str, Any]:
        """All that decides what the translations are; plain values."""
        if (ready, pair) not in self._identities:
            task, system = ready.task, ready.system
            sources = load_sources(ready, self._split, decoding.limit, pairs=[pair])
            base = {} if system.base is None else {"base": stamp(system.base)}
            both = (task.source_dictionary, task.target_dictionary)
            identity = {
                "checkpoint": stamp(system.checkpoint),
                **base,
                "pair": str(pair),
                **ready.method.translation_identity(str(pair)),
                "sources": _digest(sources.parts[str(pair)].src),
                "sentences": len(sources),
                "split": self._split,
                "dictionaries": entry_of(both),
                "decoding": decoding.to_dict(),
                "device": decoding.device.type,
                "versions": self._versions,
            }
            self._identities[ready, pair] = json.loads(json.dumps(identity))
        return self._identities[ready, pair]

    def _path(self, identity: Mapping[str, Any]) -> Path:
        return self._folder / f"{identity['pair']}.{digest_of(identity)[:16]}.json"

    def _read(self, identity: Mapping[str, Any]) -> tuple[list[str], Speed] | None:
        """What was kept; None where there is nothing, or nothing whole."""
        try:
            kept = read_json(self._path(identity), finite=False)
            of, lines, speed = kept["of"], kept["translations"], Speed(**kept["speed"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        whole = (
            of == identity
            and isinstance(lines, list)
            and len(lines) == identity["sentences"]
            and all(isinstance(line, str) for line in lines)
            and all(isinstance(value, (int, float)) for value in astuple(speed))
        )
        return (lines, speed) if whole else None


def _digest(sentences: Sequence[Any]) -> str:
    """The digest of the tokens of *sentences*."""
    found = hashlib.sha256()
    for index in range(len(sentences)):
        found.update(sentences[index].numpy().tobytes() + b"\n")
    return found.hexdigest()
