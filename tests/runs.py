"""A training run inside the test's own process, and masks drawn at random."""

import socket
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from conftest import MODEL_FLAGS, PAIRS, TASK_FLAGS, TRAIN_FLAGS


class Run:
    """What ``fairseq-train`` builds from its options, without its loop."""

    def __init__(self, data: Path, *flags: Any):
        from fairseq import options, tasks, utils
        from fairseq.dataclass.utils import convert_namespace_to_omegaconf
        from fairseq.logging import metrics
        from fairseq.trainer import Trainer

        import lass_plugin.models.transformer_architectures  # noqa: F401
        from lass_plugin.tasks import register_tasks

        register_tasks()
        given = [str(flag) for flag in flags]
        start = [str(data), *TASK_FLAGS[2:], *MODEL_FLAGS, *TRAIN_FLAGS]
        if "--task" in given:
            del start[start.index("--task") : start.index("--task") + 2]
        if "--lang-pairs" not in given:
            start += ["--lang-pairs", ",".join(PAIRS)]
        parser = options.get_training_parser(
            given[given.index("--task") + 1] if "--task" in given else "translation"
        )
        arguments = options.parse_args_and_arch(parser, [*start, *given])
        self.cfg = convert_namespace_to_omegaconf(arguments)
        metrics.reset()
        utils.set_torch_seed(self.cfg.common.seed)
        self.task = tasks.setup_task(self.cfg.task)
        self.model = self.task.build_model(self.cfg.model)
        criterion = self.task.build_criterion(self.cfg.criterion)
        self.task.load_dataset(self.cfg.dataset.train_subset)
        self.trainer = Trainer(self.cfg, self.task, self.model, criterion)

    @property
    def optimizer(self) -> Any:
        return self.trainer.optimizer

    @property
    def sites(self) -> dict[str, torch.nn.Parameter]:
        from lass_plugin.masks import DEFAULT_TARGETS, find_sites

        return find_sites(self.model, DEFAULT_TARGETS)

    def batch(self, key: str, number: int = 0, size: int = 6, split: str = "train"):
        """*size* sentences of one pair."""
        if split not in self.task.datasets:
            self.task.load_dataset(split)
        dataset = self.task.datasets[split]
        first = dataset.start(key) + number * size
        return dataset.collater([dataset[first + i] for i in range(size)])

    def update(self, *batches: Any) -> Any:
        """One update of the trainer; a text stands for a batch of that pair."""
        samples = [
            self.batch(item) if isinstance(item, str) else item for item in batches
        ]
        return self.trainer.train_step(samples)

    def backward(self, batch: Any) -> torch.Tensor:
        """Forward and backward of the task alone; gradients accumulate."""
        trainer = self.trainer
        loss, _, _ = self.task.train_step(
            batch, trainer.model, trainer.criterion, trainer.optimizer, 0
        )
        return loss.detach()

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in self.model.state_dict().items()}

    def gradients(self) -> dict[str, torch.Tensor]:
        return {
            name: parameter.grad.clone()
            for name, parameter in self.model.named_parameters()
            if parameter.grad is not None
        }

    def of_keys(self) -> dict[str, dict[str, torch.Tensor]]:
        """Parameter that belongs to keys -> its value, the optimizer's copy of it and
        its moments, flat."""
        from lass_plugin.training.stretches import torch_optimizer

        training = self.task.method._training
        inner = torch_optimizer(self.optimizer)
        found = {}
        for name, parameter in training.parameters.items():
            stretch = training.stretches[name]
            found[name] = {
                "model": parameter.detach().reshape(-1).clone(),
                "optimizer": stretch.value.clone(),
                **{kind: value.clone() for kind, value in stretch.state(inner).items()},
            }
        return found

    def moments(self) -> dict[str, dict[str, torch.Tensor]]:
        """Site -> name -> the optimizer's state of it, flat."""
        from lass_plugin.training.stretches import find_stretches, torch_optimizer

        stretches = find_stretches(self.optimizer, self.sites)
        inner = torch_optimizer(self.optimizer)
        return {
            site: {name: state.clone() for name, state in stretch.state(inner).items()}
            for site, stretch in stretches.items()
        }


def random_masks(sites, keys, ratio: float = 0.5, seed: int = 1):
    """Masks of *keys* that keep each weight with probability 1 - *ratio*."""
    from lass_plugin.masks import Mask, MaskSet, Provenance

    generator = torch.Generator().manual_seed(seed)
    return MaskSet(
        Mask.from_tensors(
            key,
            {
                name: torch.rand(weight.shape, generator=generator) >= ratio
                for name, weight in sites.items()
            },
            Provenance("random", ratio),
        )
        for key in keys
    )


def same_bits(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Equality of the bits behind two tensors: -0.0 is not 0.0, NaN is itself."""
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    if not first.is_floating_point():
        return torch.equal(first, second)
    integer = {2: torch.int16, 4: torch.int32, 8: torch.int64}[first.element_size()]
    return torch.equal(
        first.contiguous().view(integer), second.contiguous().view(integer)
    )


OF_THE_PROCESS = {
    *("metrics", "previous_training_time"),  # the time taken
    *("cfg", "args"),  # the folder written to
    "optimizer_history",  # one entry for each start
}
"""Entries of a checkpoint that are not of the model but of how it was run."""


def differences(first, second, where: str = "") -> list[str]:
    """The places where two checkpoints differ in any bit."""
    if isinstance(first, dict) and isinstance(second, dict):
        if first.keys() != second.keys():
            return [f"{where}: {sorted(map(str, first.keys() ^ second.keys()))}"]
        return [
            difference
            for key in first
            if key not in OF_THE_PROCESS
            for difference in differences(first[key], second[key], f"{where}/{key}")
        ]
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)):
        if len(first) != len(second):
            return [f"{where}: {len(first)} and {len(second)}"]
        return [
            difference
            for number, pair in enumerate(zip(first, second, strict=True))
            for difference in differences(*pair, f"{where}/{number}")
        ]
    if torch.is_tensor(first) and torch.is_tensor(second):
        return [] if same_bits(first, second) else [where]
    return [] if first == second and type(first) is type(second) else [where]


def assert_same(first: dict, second: dict) -> None:
    """Two dictionaries of tensors have the same names and the same bits."""
    assert first.keys() == second.keys()
    different = [name for name in first if not same_bits(first[name], second[name])]
    assert not different, different


def multiply_into(run: Run, mask) -> None:
    """Make *run* the model whose weights have been multiplied by *mask*."""
    with torch.no_grad():
        for name, weight in run.sites.items():
            weight.mul_(mask.unpack(name))


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def _results(ranks: list[Future]) -> list:
    """What the ranks returned; of several that failed, the one that failed itself."""
    failures = [failure for rank in ranks if (failure := rank.exception())]
    for failure in failures:
        if "Connection closed by peer" not in str(failure):
            raise failure
    return [rank.result() for rank in ranks]


def train_by_two(
    commands, save_dir: Path, *flags: Any, backend: str = "legacy_ddp", **more: Any
) -> list:
    """``fairseq-train`` as two processes on one CPU, which exchange gradients.

    Returns:
        What *commands* return of each rank.
    """
    shared = [
        *("--distributed-init-method", f"tcp://127.0.0.1:{free_port()}"),
        *("--distributed-world-size", 2, "--distributed-backend", "gloo"),
        *("--distributed-no-spawn", "--device-id", 0, "--ddp-backend", backend),
    ]
    with ThreadPoolExecutor() as pool:
        ranks = [
            pool.submit(
                *(
                    commands.train,
                    save_dir,
                    *flags,
                    *shared,
                    "--distributed-rank",
                    rank,
                ),
                **more,
            )
            for rank in range(2)
        ]
        return _results(ranks)
