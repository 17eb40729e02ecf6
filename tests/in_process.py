"""fairseq inside the test's own process: quicker than its commands, for one step."""

import shlex
from pathlib import Path
from typing import Any

import torch
from conftest import MODEL_FLAGS, PAIRS, TASK_FLAGS, TRAIN_FLAGS
from fairseq import checkpoint_utils, options, tasks
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.tasks import FairseqTask

from lass_plugin import masks as mask_package
from lass_plugin.anatomy.targets import select_sites
from lass_plugin.tasks import (  # noqa: F401, registers
    translation_adapters,
    translation_lslo,
    translation_sparse_tuning,
    translation_subnetwork_search,
)
from lass_plugin.tasks.translation_subnetwork import TranslationSubnetworkTask

TOKENS = TASK_FLAGS[TASK_FLAGS.index("--encoder-langtok") :]


def training_config(data: Path, *flags: object, task: str = "", tokens: bool = True):
    """The configuration that ``fairseq-train`` makes of *flags* (a later one wins)."""
    flags = [str(flag) for flag in flags]
    if "--lang-pairs" not in flags and "--source-lang" not in flags:
        flags = ["--lang-pairs", ",".join(PAIRS), *flags]
    arguments = [
        str(data),
        "--task",
        f"translation_subnetwork{task}",
        *(TOKENS if tokens else []),
        *MODEL_FLAGS,
        *TRAIN_FLAGS,
        *flags,
    ]
    parser = options.get_training_parser()
    return convert_namespace_to_omegaconf(
        options.parse_args_and_arch(parser, arguments)
    )


def training_task(data: Path, *flags: object, **more: Any) -> TranslationSubnetworkTask:
    """The task, set up as ``fairseq-train`` does."""
    return tasks.setup_task(training_config(data, *flags, **more).task)


def translation_config(data: Path, flags: str):
    """The configuration that ``fairseq-generate`` makes of *flags*."""
    parser = options.get_generation_parser()
    arguments = [str(data), "--task", "translation_subnetwork", *shlex.split(flags)]
    arguments += ["--path", "unused.pt"]
    return convert_namespace_to_omegaconf(
        options.parse_args_and_arch(parser, arguments)
    )


def translation_task(data: Path, flags: str) -> TranslationSubnetworkTask:
    """The task, set up as ``fairseq-generate`` does."""
    return tasks.setup_task(translation_config(data, flags).task)


def load_model(checkpoint: Path, task: TranslationSubnetworkTask) -> torch.nn.Module:
    """The model of a checkpoint, loaded into *task* as translation does."""
    models, _ = checkpoint_utils.load_model_ensemble([str(checkpoint)], task=task)
    return models[0].eval()


def logits(model: torch.nn.Module, task: TranslationSubnetworkTask, split: str):
    """Log-probabilities of the sentences of the task's first pair (forced decoding)."""
    if split not in task.datasets:
        task.load_dataset(split)
    dataset = next(iter(task.dataset(split).parts.values()))
    batch = dataset.collater([dataset[i] for i in range(len(dataset))])
    with torch.no_grad():
        output = model.eval()(**batch["net_input"])
    return model.get_normalized_probs(output, log_probs=True)


def as_stock(checkpoint: Path, task: TranslationSubnetworkTask) -> torch.nn.Module:
    """A stock model with the weights of *checkpoint*, with nothing of the plugin."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model = FairseqTask.build_model(task, state["cfg"]["model"])
    model.load_state_dict(state["model"])
    return model.eval()


def random_mask(key: str, weights: dict, ratio: float = 0.5, base: bool = True):
    """A random mask of *key* over the attention and feed-forward *weights*."""
    sites = select_sites(weights, mask_package.DEFAULT_TARGETS)
    generator = torch.Generator().manual_seed(sum(map(ord, key)))
    return mask_package.Mask.from_tensors(
        key,
        {
            name: torch.rand(weight.shape, generator=generator) >= ratio
            for name, weight in sites.items()
        },
        mask_package.Provenance("random", ratio),
        mask_package.fingerprint(sites) if base else None,
    )
