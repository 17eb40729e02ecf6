"""Tokens a second, one sentence at a time, as He 2023 measures it (Table 13).

Every run translates the same sentences. The systems take turns within a run, in an
order that changes from run to run, so that a machine that slows down slows all of them.
"""

import contextlib
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lass_plugin.evaluation.engines import translator_of
from lass_plugin.evaluation.individual import ReadyPairs
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import Ready
from lass_plugin.evaluation.translation import Translator


@dataclass(frozen=True)
class Throughput:
    """Tokens a second of each run; tokens are those of the best translations.

    *tokens* and *sentences* are those of one run; the end of a sentence is a token, as
    in fairseq's own figure.
    """

    runs: tuple[float, ...]
    tokens: int
    sentences: int

    @property
    def mean(self) -> float:
        return statistics.fmean(self.runs)

    @property
    def deviation(self) -> float | None:
        """Standard deviation over the runs (n - 1); None of a single run."""
        return statistics.stdev(self.runs) if len(self.runs) > 1 else None


def measure(
    systems: Mapping[str, Ready | ReadyPairs],
    split: str,
    decoding: Decoding,
    runs: int = 5,
    threads: int = 1,
    advance: Callable[[int, str], None] = lambda sentences, system: None,
) -> dict[str, Throughput]:
    """Time the translation of *split* at batch size 1 by every system.

    The pairs of a system are translated one after the other. One sentence of each pair
    is translated before the clock starts, so that its mask is in place.

    Args:
        systems: name -> system; all of them with the same pairs.
        decoding: where and how; its *limit* is the number of sentences of each pair.
        threads: of the CPU.
        advance: called after each system and run, with its number of sentences.

    Raises:
        LassError: a sentence is too long.
    """
    with contextlib.ExitStack() as restored, torch.no_grad():
        restored.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(threads)
        sentences = {
            name: _Sentences(ready, split, decoding) for name, ready in systems.items()
        }
        speeds: dict[str, list[float]] = {name: [] for name in sentences}
        tokens: dict[str, int] = {}
        names = list(sentences)
        for run in range(runs):
            turn = run % len(names)
            for name in names[turn:] + names[:turn]:
                tokens[name], seconds = sentences[name].translate()
                speeds[name].append(tokens[name] / seconds)
                advance(sentences[name].number, name)
        return {
            name: Throughput(tuple(speeds[name]), tokens[name], sentences[name].number)
            for name in names
        }


def device_name(device: torch.device) -> str:
    """The processor or GPU in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    with contextlib.suppress(OSError):  # no Linux
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


class _Sentences:
    """The sentences of a system, each a batch of its own, on the model's device."""

    def __init__(self, ready: Ready | ReadyPairs, split: str, decoding: Decoding):
        self._samples: dict[str, list[dict[str, Any]]] = {}
        self._translators: dict[str, Translator] = {}
        self._device = decoding.device
        self.number = 0
        for member in ready.members:
            translator = translator_of(member, decoding)
            dataset = translator.sources(split)
            for number in range(len(dataset)):
                key, _ = dataset.locate(number)
                sample = translator.sample(dataset, [number])
                self._samples.setdefault(key, []).append(sample)
                self._translators[key] = translator
            self.number += len(dataset)

    def translate(self) -> tuple[int, float]:
        """Translate all sentences; return the tokens made and the seconds it took."""
        tokens, seconds = 0, 0.0
        for key, samples in self._samples.items():
            translator = self._translators[key]
            translator.best(samples[0])
            self._wait()
            start = time.perf_counter()
            for sample in samples:
                tokens += len(translator.best(sample)[0])
            self._wait()
            seconds += time.perf_counter() - start
        return tokens, seconds

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize()
