"""fairseq trainers built in this process, with stock tasks and with ours."""

import argparse
import contextlib
import importlib
import io
import logging
import sys
import warnings
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import pairing
import torch

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = ROOT / "lass_plugin"
sys.path.insert(0, str(ROOT))

SHAPES = {  # layers, units, feed-forward units, heads
    "615m": (12, 1024, 4096, 16),
    "small": (6, 512, 1024, 4),
    "quickstart": (3, 128, 256, 4),
    "tiny": (2, 64, 128, 2),
}
SEARCH_PAIR = "l01-en"


def parser(description: str) -> argparse.ArgumentParser:
    """The options that every benchmark takes."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--quick", action="store_true", help="less data, fewer rounds")
    options.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options.add_argument("--scale", choices=list(SHAPES), default="small")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument(
        "--clock",
        choices=list(pairing.CLOCKS),
        default="wall",
        help="cpu counts the process's own time, for a machine that others load too",
    )
    return options


def model_flags(scale: str) -> list[str]:
    layers, units, hidden, heads = SHAPES[scale]
    flags = ["--arch", "transformer", "--share-all-embeddings", "--dropout", "0.1"]
    for side in ("encoder", "decoder"):
        flags += [f"--{side}-layers", str(layers), f"--{side}-embed-dim", str(units)]
        flags += [f"--{side}-ffn-embed-dim", str(hidden)]
        flags += [f"--{side}-attention-heads", str(heads)]
    return flags


def training_flags(max_tokens: int, device: str, seed: int) -> list[str]:
    flags = (
        "--criterion label_smoothed_cross_entropy --label-smoothing 0.1 --lr 0.0005 "
        "--lr-scheduler inverse_sqrt --warmup-updates 4000 --clip-norm 1.0 "
        "--num-workers 0 --no-progress-bar --no-save --max-update 100000 "
        f"--max-tokens {max_tokens} --seed {seed}"
    ).split()
    return flags + (["--cpu"] if device == "cpu" else [])


def stock_task_flags(pairs: Sequence[str], temperature: float = 5.0) -> list[str]:
    """fairseq's own multilingual task."""
    return ["--task", "translation_multi_simple_epoch", *_common(pairs, temperature)]


def our_task_flags(
    pairs: Sequence[str], masks: Path | None = None, temperature: float = 5.0
) -> list[str]:
    flags = ["--user-dir", str(PLUGIN)]
    flags += ["--task", "translation_subnetwork", *_common(pairs, temperature)]
    return flags + (["--masks", str(masks)] if masks is not None else [])


def _common(pairs: Sequence[str], temperature: float) -> list[str]:
    languages = sorted({code for pair in pairs for code in pair.split("-")})
    flags = ["--langs", ",".join(languages), "--lang-pairs", ",".join(pairs)]
    flags += ["--encoder-langtok", "src", "--decoder-langtok"]
    flags += ["--sampling-method", "temperature"]
    return flags + ["--sampling-temperature", str(temperature)]


def set_up(data: Path, flags: Sequence[str]) -> tuple[Any, Any]:
    """A task and its whole configuration, as ``fairseq-train`` makes them."""
    from fairseq import options, tasks, utils
    from fairseq.dataclass.utils import convert_namespace_to_omegaconf

    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    utils.import_user_module(argparse.Namespace(user_dir=str(PLUGIN)))
    for name in ("translation_lslo", "translation_subnetwork_search"):
        # fairseq takes a package that has been imported already for one of these
        importlib.import_module(f"lass_plugin.tasks.{name}")
    with contextlib.redirect_stdout(io.StringIO()):
        arguments = options.parse_args_and_arch(
            options.get_training_parser(), [str(data), *flags]
        )
        cfg = convert_namespace_to_omegaconf(arguments)
        return tasks.setup_task(cfg.task), cfg


class Training:
    """A fairseq trainer and the batches of its first epoch."""

    def __init__(self, data: Path, flags: Sequence[str]):
        from fairseq.trainer import Trainer

        self.task, self.cfg = set_up(data, flags)
        with contextlib.redirect_stdout(io.StringIO()):
            torch.manual_seed(self.cfg.common.seed)
            self.model = self.task.build_model(self.cfg.model)
            criterion = self.task.build_criterion(self.cfg.criterion)
            self.trainer = Trainer(self.cfg, self.task, self.model, criterion)
            self.iterator = self.trainer.get_train_iterator(epoch=1)
            self.trainer.begin_epoch(1)

    @property
    def batches(self) -> list[np.ndarray]:
        """The batches of the epoch, as lists of sentence numbers."""
        return list(self.iterator.frozen_batches)

    def collate(self, batch: Sequence[int]) -> dict[str, Any]:
        """As PyTorch's loader does it."""
        dataset = self.iterator.dataset
        at_once = getattr(dataset, "__getitems__", None)
        samples = at_once(batch) if at_once else [dataset[n] for n in batch]
        return dataset.collater(samples)

    def step(self, batch: Sequence[int]) -> None:
        """Read a batch and take one update with it."""
        self.step_with(self.collate(batch))

    def step_with(self, sample: dict[str, Any]) -> None:
        """One update with a batch that has been read (by any task)."""
        self.trainer.train_step([sample])

    def words(self, batch: Sequence[int]) -> int:
        """Target words of a batch: what fairseq's words per second count."""
        return int(self.collate(batch)["ntokens"])

    def save(self, path: Path) -> Path:
        """Write a checkpoint, as at the end of an epoch; returns *path*."""
        if not self.iterator.iterations_in_epoch:
            next(self.iterator.next_epoch_itr())
        self.trainer.consolidate_optimizer()
        state = {"train_iterator": self.iterator.state_dict()}
        self.trainer.save_checkpoint(str(path), state)
        return path

    @property
    def maskable(self) -> int:
        """Number of weights that a mask covers."""
        return sum(site.numel() for site in self.sites.values())

    @property
    def sites(self) -> dict[str, Any]:
        from lass_plugin.masks import DEFAULT_TARGETS, find_sites

        return find_sites(self.model, DEFAULT_TARGETS)


def random_masks(
    sites: dict[str, torch.Tensor], pairs: Sequence[str], folder: Path
) -> Path:
    """Write a mask of every pair that keeps each weight by a coin's toss."""
    from lass_plugin.masks import Mask, MaskSet, Provenance, save_masks

    masks = []
    for number, pair in enumerate(pairs):
        rng = np.random.default_rng(number)
        bits = {
            name: torch.from_numpy(rng.integers(0, 256, site.numel() // 8, np.uint8))
            for name, site in sites.items()  # sides are multiples of 8 at every scale
        }
        shapes = {name: tuple(site.shape) for name, site in sites.items()}
        masks.append(Mask(pair, bits, shapes, Provenance("random", 0.5)))
    save_masks(folder, MaskSet(masks))
    return folder


def random_neurons(model: torch.nn.Module, pairs: Sequence[str], folder: Path) -> Path:
    """Write neuron masks: nine tenths general, every other neuron by a coin's toss."""
    from lass_plugin.anatomy.neurons import DEFAULT_UNITS
    from lass_plugin.masks import MaskSet, Provenance, save_masks
    from lass_plugin.masks.neurons import neuron_mask
    from lass_plugin.neurons.recording import find_neurons

    masks = []
    sites = find_neurons(model, DEFAULT_UNITS)
    for number, pair in enumerate(pairs):
        rng = np.random.default_rng(number)
        neurons = {
            name: torch.from_numpy(
                (np.arange(site.neurons) % 10 > 0) | (rng.random(site.neurons) < 0.5)
            )
            for name, site in sites.items()
        }
        masks.append(neuron_mask(pair, neurons, Provenance("random", None)))
    save_masks(folder, MaskSet(masks))
    return folder


def evenly(batches: Sequence[Any], count: int) -> list[Any]:
    """*count* batches spread evenly over all, from short sentences to long ones."""
    ordered = sorted(batches, key=len, reverse=True)
    return [ordered[place] for place in places(len(ordered), count)]


def places(total: int, count: int) -> list[int]:
    """*count* numbers spread evenly over 0 … *total*."""
    return ((np.arange(count) + 0.5) / count * total).astype(int).tolist()
