"""Words in a batch of one pair against stock's mixed batches, at the same token limit.

Stock batches are made by fairseq's own ``SampledMultiDataset``, as
``translation_multi_simple_epoch`` makes them: sampled by the temperature, ordered by
``ordered_indices``, cut by ``batch_by_size`` with its multiple of 8. Ours are those of
``PairsDataset``. Words are those of the target side, which fairseq counts; padding is
the share of words among all positions that the model computes (information: it decides
the speed at equal words).

    python benchmarks/filling.py [--quick] [--data FOLDER]
"""

import contextlib
import logging
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Sequence

import made_up_data
import numpy as np
import pairing
import trainings

GOAL = 0.99
MULTIPLE = 8
SCARCE = "scarce"
"""1,300 to 48,000 sentences a pair, for information: batches of one pair must mix
lengths there, and hold less of them, than batches of 36 pairs together."""


def main() -> int:
    options = trainings.parser(__doc__)
    options.add_argument("--temperature", type=float, default=5.0)
    options.add_argument("--data", type=Path, help="a folder that lass prepare wrote")
    args = options.parse_args()
    logging.disable(logging.WARNING)
    epochs = 1 if args.quick else 2
    cases = {
        "small": [2000] * 8,
        "large": made_up_data.unequal_sizes(36, 2_000_000),
        SCARCE: made_up_data.unequal_sizes(36, 200_000),
    }
    tables = {
        name: [
            made_up_data.lengths(size, np.random.default_rng([args.seed, number])) + 1
            for number, size in enumerate(sizes)
        ]
        for name, sizes in cases.items()
    }
    if args.data is not None:
        tables["data"] = _lengths_in(args.data)
    reached = True
    for name, sizes in tables.items():
        for max_tokens in (1024, 4096, 8192):
            reached &= _compare(name, sizes, max_tokens, epochs, args)
    return 0 if reached else 1


def _compare(name: str, sizes: list, max_tokens: int, epochs: int, args) -> bool:
    """Print the filling for one kind of data and one limit."""
    words, shares = {}, {}
    for kind, batches_of in (("stock", stock_batches), ("ours", our_batches)):
        tables = [
            table
            for epoch in range(1, epochs + 1)
            for table in batches_of(sizes, max_tokens, epoch, args)
        ]
        words[kind] = float(np.mean([table[:, 1].sum() for table in tables]))
        computed = sum(table.max(axis=0).sum() * len(table) for table in tables)
        shares[kind] = sum(table.sum() for table in tables) / computed
    print(
        f"{name}, --max-tokens {max_tokens}: words in a batch {words['stock']:.1f} "
        f"stock, {words['ours']:.1f} ours; words among positions "
        f"{shares['stock']:.3f} stock, {shares['ours']:.3f} ours"
    )
    title, ratio = f"filling_{name}_{max_tokens}", words["ours"] / words["stock"]
    if name == SCARCE:
        pairing.information(title, ratio)
        return True
    return pairing.result(title, ratio, GOAL)


def our_batches(sizes: list, max_tokens: int, epoch: int, args) -> list[np.ndarray]:
    """Lengths ``(sentences, 2)`` of each batch of an epoch of ours."""
    from lass_plugin.data.pairs_dataset import PairsDataset

    parts = {f"x{n}-y": _dataset(table) for n, table in enumerate(sizes)}
    dataset = PairsDataset(parts, "train", "temperature", args.temperature)
    batches = dataset.batches(
        epoch,
        seed=args.seed,
        training=True,
        max_tokens=max_tokens,
        max_sentences=None,
        multiple=MULTIPLE,
        limits=(1024, 1024),
        drop_too_long=False,
    )
    every = np.concatenate(sizes)
    return [every[batch] for batch in batches]


def stock_batches(sizes: list, max_tokens: int, epoch: int, args) -> list[np.ndarray]:
    """Lengths ``(sentences, 2)`` of each batch of an epoch of stock fairseq."""
    from fairseq.data import SampledMultiDataset, data_utils
    from fairseq.data.multilingual.sampling_method import temperature_sampling

    ratios = temperature_sampling([len(t) for t in sizes], args.temperature)
    parts = OrderedDict((str(n), _dataset(table)) for n, table in enumerate(sizes))
    dataset = SampledMultiDataset(
        parts, sampling_ratios=ratios, epoch=epoch, shared_collater=True, split="train"
    )
    with data_utils.numpy_seed(args.seed):
        order = dataset.ordered_indices()
    batches = dataset.batch_by_size(
        order, max_tokens=max_tokens, required_batch_size_multiple=MULTIPLE
    )
    return [dataset.sizes[np.asarray(batch)] for batch in batches]


def _dataset(table: np.ndarray):
    """A pair's data of which only the lengths are asked."""
    from fairseq.data import FairseqDataset

    class Lengths(FairseqDataset):
        sizes = table

        def __len__(self) -> int:
            return len(table)

    return Lengths()


def _lengths_in(folder: Path) -> Sequence[np.ndarray]:
    """Lengths of the sentences of a data folder, language tokens included."""
    pairs = made_up_data.names_in(folder)
    flags = trainings.our_task_flags(pairs) + trainings.model_flags("tiny")
    flags += trainings.training_flags(4096, "cpu", 1)
    with contextlib.redirect_stdout(None):
        training = trainings.Training(folder, [*flags, "--optimizer", "adam"])
    return [part.sizes for part in training.iterator.dataset.parts.values()]


if __name__ == "__main__":
    sys.exit(main())
