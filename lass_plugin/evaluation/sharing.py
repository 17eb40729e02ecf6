"""Several processes that share what is to be translated, each on its device."""

import contextlib
import io
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lass_plugin.data.progress import Progress
from lass_plugin.data.workers import Workers
from lass_plugin.evaluation.engines import translator_of
from lass_plugin.evaluation.kept import KeptTranslations
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import Ready, Saved, System
from lass_plugin.languages import Pair
from lass_plugin.masks import MaskSet, save_masks
from lass_plugin.places.devices import Device

EACH = 4
"""Stretches of work that a process gets, so that all end at about the same time."""

Missing = Mapping[Path, tuple[Ready, Pair, int]]


def translate_side_by_side(
    store: KeptTranslations,
    missing: Missing,
    how: Mapping[Ready, Decoding],
    devices: Sequence[Device],
    progress: Progress,
) -> None:
    """Translate what is *missing*; what is made is kept in *store*, pair by pair.

    Args:
        missing: see :meth:`.KeptTranslations.missing`.
        how: system -> how it is decoded.
        devices: of the processes, one each.

    Raises:
        LassError: a sentence is too long, memory is short, or a process was killed.
    """
    most = sum(size for _, _, size in missing.values()) / (EACH * len(devices))
    with tempfile.TemporaryDirectory() as masks:
        requests = [
            (store, _written(ready, pairs, Path(masks, str(n))), pairs, how[ready])
            for n, (ready, pairs) in enumerate(_stretches(missing, most))
        ]
        number = min(len(devices), len(requests))
        places = [device.settings() for device in devices[:number]]
        with _told(missing, progress), Workers(number, places, "--jobs") as pool:
            for _ in pool.map(_translate, requests):
                pass


def _stretches(missing: Missing, most: float) -> Iterator[tuple[Ready, list[Pair]]]:
    """Yield pairs of one system after another, of *most* sentences or one pair."""
    held: Ready | None = None
    pairs, sentences = list[Pair](), 0
    for ready, pair, size in missing.values():
        if held is not None and (held is not ready or sentences + size > most):
            yield held, pairs
            pairs, sentences = [], 0
        held = ready
        pairs.append(pair)
        sentences += size
    if held is not None:
        yield held, pairs


def _written(ready: Ready, pairs: Sequence[Pair], folder: Path) -> tuple[System, Path]:
    """A system and its data; masks that it was given in memory are put into *folder*,
    since multiprocessing would hold a file open for each of their tensors."""
    system = ready.system
    if isinstance(masks := system.inference_masks, MaskSet):
        save_masks(folder, masks.only(map(str, pairs)))
        system = replace(system, inference_masks=str(folder))
    return system, ready.data


def _translate(
    request: tuple[KeptTranslations, tuple[System, Path], Sequence[Pair], Decoding],
) -> None:
    store, (system, data), pairs, decoding = request
    with contextlib.redirect_stderr(io.StringIO()):  # the first process has said it
        ready = Saved(system).set_up(data, pairs)
    store.translate(ready, decoding, translator_of, pairs=pairs)


@contextlib.contextmanager
def _told(missing: Missing, progress: Progress) -> Iterator[None]:
    """Advance *progress* by the files that come, as long as this lasts."""
    left, ended = dict(missing), threading.Event()

    def look() -> None:
        while not ended.wait(1.0):
            for path in [path for path in left if path.exists()]:
                ready, pair, size = left.pop(path)
                progress.advance(size, f"{ready.system.name} {pair}")

    watching = threading.Thread(target=look, daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()
