"""The checkpoint of an extended model: rows for new symbols, nothing else changed."""

import argparse
from dataclasses import replace
from typing import Any, Sequence

import torch
from torch import Tensor

from lass_plugin.anatomy.vocabulary import is_adaptive_softmax, vocabulary_of
from lass_plugin.checkpoints import trained_with
from lass_plugin.checkpoints.checkpoint import Checkpoint, changed_options
from lass_plugin.errors import LassError
from lass_plugin.experiments.new_pairs.vocabulary import Vocabulary
from lass_plugin.languages import Pair
from lass_plugin.masks import Mask, MaskSet
from lass_plugin.masks.file import carried_masks, to_state
from lass_plugin.masks.packing import pack
from lass_plugin.methods.subnetworks.extension import read_symbols


def extended(
    checkpoint: Checkpoint,
    old: Vocabulary,
    new: Vocabulary,
    pairs: Sequence[Pair],
    seed: int = 1,
) -> dict[str, Any]:
    """*checkpoint* with a row for each symbol that *new* has beyond *old*.

    The row of a language token is the mean of the old language tokens' rows; that of
    another symbol is drawn, each number from the normal distribution with mean and
    deviation of that column over the old symbols that occurred in training. Masks of
    embeddings leave new rows out for the old pairs. There is no optimizer state.

    Args:
        checkpoint: as fairseq saved it; not changed.
        pairs: the pairs that the model has.

    Raises:
        LassError: the model keeps its vocabulary in another form.
    """
    model, path, known = dict(checkpoint.content["model"]), checkpoint.path, len(old)
    if any(map(is_adaptive_softmax, model)):
        raise LassError(
            f"{path} has an adaptive softmax, which cannot be extended; train the base "
            "without --adaptive-softmax-cutoff"
        )
    task_state = dict(checkpoint.task_state)
    generator = torch.Generator().manual_seed(seed)
    for name in vocabulary_of(model):
        if len(model[name]) != known:
            raise LassError(
                f"{name} of {path} has {len(model[name])} rows, but its dictionary "
                f"with language tokens has {known} symbols; give the data folder that "
                "the model was trained with"
            )
        if name in checkpoint.shared:
            model[name] = model[checkpoint.shared[name]]
        else:
            model[name] = _with_rows(model[name], old, new, generator)
    before = read_symbols(task_state, str(path))
    task_state["language_tokens"] = new.tokens.to_dict()
    subwords = trained_with.subwords_of(task_state, str(path))
    text = trained_with.text_of(task_state, str(path))
    entry = trained_with.entry_of([new.dictionary] * 2, subwords, text)
    task_state[trained_with.ENTRY] = entry
    task_state["symbols"] = {str(p): before.get(str(p), known) for p in pairs}
    masks = carried_masks(checkpoint)
    if masks is not None:
        grown = (_with_masked_rows(mask, len(new)) for mask in masks.values())
        task_state["masks"] = to_state(MaskSet(grown))
    cfg = dict(checkpoint.content.get("cfg") or {})
    if cfg:
        cfg["task"] = _task_options(cfg["task"], new, pairs)
    return checkpoint.as_start(
        args=_task_options(checkpoint.content.get("args"), new, pairs),
        cfg=cfg or None,
        model=model,
        task_state=task_state,
    )


def _with_rows(
    matrix: Tensor, old: Vocabulary, new: Vocabulary, generator: torch.Generator
) -> Tensor:
    """``(new symbols, units)`` *matrix* ``(old symbols, units)`` and new rows."""
    seen = matrix[old.seen()].float()
    mean, deviation = seen.mean(dim=0), seen.std(dim=0, unbiased=False)
    shape = (len(new) - len(old), matrix.size(1))
    rows = mean + deviation * torch.randn(shape, generator=generator)
    token_rows = matrix[old.language_tokens()].float()
    for index in new.language_tokens():
        if index >= len(old):
            start = token_rows if len(token_rows) else seen
            rows[index - len(old)] = start.mean(dim=0)
    return torch.cat([matrix, rows.to(matrix.dtype)])


def _with_masked_rows(mask: Mask, symbols: int) -> Mask:
    """*mask* for a model of so many *symbols*; rows that are new to it are left out."""
    bits, shapes = dict(mask.bits), dict(mask.shapes)
    for name in vocabulary_of(mask.shapes):
        kept = mask.unpack(name)
        missing = kept.new_zeros(symbols - len(kept), kept.size(1))
        grown = torch.cat([kept, missing])
        bits[name], shapes[name] = pack(grown), tuple(grown.shape)
    return replace(mask, bits=bits, shapes=shapes)


def _task_options(section: Any, new: Vocabulary, pairs: Sequence[Pair]) -> Any:
    """A task's options with the languages of *new*, and without what is of one run."""
    if section is None:
        return None
    of_a_run = "lang_dict source_dict target_dict fixed_dictionary masks extend hold"
    changes = dict.fromkeys(of_a_run.split()) | {
        "langs": ",".join(new.tokens.languages),
        "lang_pairs": ",".join(map(str, pairs)),
    }
    known = vars(section) if isinstance(section, argparse.Namespace) else section
    return changed_options(section, {n: v for n, v in changes.items() if n in known})
