"""The weights of a model whose parameters are to be counted, without their values."""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError

SHAPES = {"615m": "m2m_124_615m", "175m": "m2m_124_175m"}
"""Short name -> registered architecture: the two published M2M-124 models."""

TYPES = 256_125
"""Of the dictionary of M2M-124: 255,997 pieces, 4 symbols and 124 languages."""


def read_shape(model: str) -> dict[str, Tensor]:
    """Name -> weight of every parameter; tensors that are shared have one name.

    Args:
        model: a checkpoint, a name of :data:`SHAPES`, or an architecture, counted with
            M2M-124's dictionary.

    Raises:
        LassError: it is none of these.
    """
    from fairseq.models import ARCH_MODEL_REGISTRY

    from lass_plugin.models import transformer_architectures  # noqa: F401, registers

    architecture = SHAPES.get(model.lower(), model)
    if not model.endswith(".pt") and architecture in ARCH_MODEL_REGISTRY:
        return _of_architecture(architecture)
    try:
        return Checkpoint.read(model).parameters
    except LassError as error:
        raise LassError(
            f"{error.message} (or name a model: {', '.join(SHAPES)})"
        ) from error


def _of_architecture(name: str) -> dict[str, Tensor]:
    from argparse import Namespace

    from fairseq.data import Dictionary
    from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY

    options: Any = Namespace()
    ARCH_CONFIG_REGISTRY[name](options)
    dictionary = Dictionary()
    dictionary.symbols += [""] * (TYPES - len(dictionary))
    task = SimpleNamespace(source_dictionary=dictionary, target_dictionary=dictionary)
    with torch.device("meta"):
        model = ARCH_MODEL_REGISTRY[name].build_model(options, task)
    return dict(model.named_parameters())
