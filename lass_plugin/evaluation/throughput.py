"""Tokens a second, one sentence at a time, as He 2023 measures it (Table 13).

Every run translates the same sentences. The systems take turns within a run, in an
order that changes from run to run, so that a machine that slows down slows all of them.
"""

import contextlib
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from fairseq import utils

from lass_plugin.errors import LassError
from lass_plugin.evaluation.systems import Ready
from lass_plugin.evaluation.translation import (
    Decoding,
    check_lengths,
    load_sources,
    make_generator,
)
from lass_plugin.training.precision import autocast


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
    systems: Mapping[str, Ready],
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
        LassError: *runs* or *threads* is below 1, or a sentence is too long.
    """
    for name, number in (("--runs", runs), ("--threads", threads)):
        if number < 1:
            raise LassError(f"{name} is {number}; give a number above 0")
    with _threads(threads), torch.no_grad():
        stations = {
            name: _Station(ready, split, decoding) for name, ready in systems.items()
        }
        speeds: dict[str, list[float]] = {name: [] for name in stations}
        tokens: dict[str, int] = {}
        names = list(stations)
        for run in range(runs):
            turn = run % len(names)
            for name in names[turn:] + names[:turn]:
                tokens[name], seconds = stations[name].translate()
                speeds[name].append(tokens[name] / seconds)
                advance(stations[name].sentences, name)
        return {
            name: Throughput(
                tuple(speeds[name]), tokens[name], stations[name].sentences
            )
            for name in names
        }


def device_name(device: torch.device) -> str:
    """The processor or GPU in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    with contextlib.suppress(OSError):  # no Linux
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def on_cpu(decoding: Decoding) -> Decoding:
    """*decoding* on the CPU, in float32."""
    return replace(decoding, cpu=True, fp16=False)


class _Station:
    """A model with its sentences, each a batch of its own, on its device."""

    def __init__(self, ready: Ready, split: str, decoding: Decoding):
        self._task, self._decoding = ready.task, decoding
        self._model = ready.build_model(decoding.device, decoding.fp16)
        longest = min(self._task.max_positions()[0], self._model.max_positions()[0])
        cut = longest if decoding.truncate_source else None
        dataset = load_sources(ready, split, decoding.limit, cut)
        check_lengths(ready, dataset, longest)
        self._generator = make_generator(self._task, self._model, decoding)
        self._samples: dict[str, list[dict[str, Any]]] = {}
        for number in range(len(dataset)):
            key, _ = dataset.locate(number)
            sample = dataset.collater([dataset[number]])
            if decoding.device.type == "cuda":
                sample = utils.move_to_cuda(sample)
            self._samples.setdefault(key, []).append(sample)
        self.sentences = len(dataset)

    def translate(self) -> tuple[int, float]:
        """Translate all sentences; return the tokens made and the seconds it took."""
        tokens, seconds = 0, 0.0
        for samples in self._samples.values():
            self._step(samples[0])
            self._wait()
            start = time.perf_counter()
            for sample in samples:
                tokens += self._step(sample)
            self._wait()
            seconds += time.perf_counter() - start
        return tokens, seconds

    def _step(self, sample: dict[str, Any]) -> int:
        with autocast(self._decoding.bf16_autocast, self._decoding.device):
            found = self._task.inference_step(self._generator, [self._model], sample)
        return len(found[0][0]["tokens"])

    def _wait(self) -> None:
        if self._decoding.device.type == "cuda":
            torch.cuda.synchronize()


@contextlib.contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
