"""Batches of a pair straight out of its mapped files.

fairseq makes a tensor of every sentence and copies them together one by one. Here the
sentences of a batch are copied at once, into the same batch to the bit.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from fairseq.data import LanguagePairDataset, PrependTokenDataset
from fairseq.data.indexed_dataset import MMapIndexedDataset

_PLAIN = {
    "append_bos": False,
    "remove_eos_from_source": False,
    "append_eos_to_target": False,
    "align_dataset": None,
    "constraints": None,
    "buckets": None,
    "src_lang_id": None,
    "tgt_lang_id": None,
    "input_feeding": True,
    "pad_to_multiple": 1,
}
"""Settings of a pair's data without which batches are made sentence by sentence."""


@dataclass(frozen=True, eq=False)
class Side:
    """All sentences of a language as one array."""

    tokens: np.ndarray
    """``(tokens,)`` of the mapped file."""
    first: np.ndarray
    """``(sentences,)`` where each begins."""
    sizes: np.ndarray
    """``(sentences,)`` int32."""
    token: int | None
    """That of a language, before each sentence."""
    owner: MMapIndexedDataset
    """Closes the file when it is gone, so it must not be before."""

    def padded(
        self, numbers: np.ndarray, pad: int, left: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The sentences *numbers*, padded to the longest.

        Returns:
            ``(b, longest)`` int64; ``(b,)`` where each begins, and how long each is.
        """
        extra = int(self.token is not None)
        lengths = self.sizes[numbers].astype(np.int64) + extra
        longest = int(lengths.max())
        made = np.full((len(numbers), longest), pad, dtype=np.int64)
        starts = longest - lengths if left else np.zeros_like(lengths)
        column = np.arange(longest)
        begins = (starts + extra)[:, None]
        inside = (column >= begins) & (column < (starts + lengths)[:, None])
        places = (self.first[numbers][:, None] - begins + column)[inside]
        made[inside] = self.tokens[places]
        if self.token is not None:
            made[np.arange(len(numbers)), starts] = self.token
        return made, starts, lengths


@dataclass(frozen=True, eq=False)
class WholeBatches:
    """Makes the batches of a pair."""

    data: LanguagePairDataset
    source: Side
    target: Side | None

    def batch(self, numbers: np.ndarray, ids: np.ndarray) -> dict[str, Any]:
        """What ``data.collater`` makes of these sentences.

        Args:
            numbers: ``(b,)`` of the sentences in the pair.
            ids: ``(b,)`` what they are called in the batch.
        """
        pad = self.data.src_dict.pad()
        found, _, _ = self.source.padded(numbers, pad, self.data.left_pad_source)
        source = torch.from_numpy(found)
        # the same sort of the same numbers, so that equal lengths stand as fairseq's do
        lengths, order = source.ne(pad).sum(1).sort(descending=True)
        inputs = {"src_tokens": source[order], "src_lengths": lengths}
        batch = {
            "id": torch.from_numpy(ids.astype(np.int64))[order],
            "nsentences": len(numbers),
            "ntokens": int(lengths.sum()),
            "net_input": inputs,
            "target": None,
        }
        if self.target is not None:
            left = self.data.left_pad_target
            tokens, starts, sizes = self.target.padded(numbers, pad, left)
            before = np.full_like(tokens, pad)
            before[:, 1:] = tokens[:, :-1]
            rows, ends = np.arange(len(numbers)), starts + sizes
            short = ends < before.shape[1]
            before[rows[short], ends[short]] = pad  # the last token has moved there
            before[rows, starts] = self.data.eos
            target = torch.from_numpy(tokens)[order]
            batch["ntokens"] = int(target.ne(pad).sum())
            batch["target"] = target
            inputs["prev_output_tokens"] = torch.from_numpy(before)[order]
        return batch


def whole_batches(data: Any) -> WholeBatches | None:
    """What makes batches of *data* at once; None where it must be done one by one."""
    if type(data) is not LanguagePairDataset:
        return None
    if any(getattr(data, name) != value for name, value in _PLAIN.items()):
        return None
    source = _side(data.src)
    target = None if data.tgt is None else _side(data.tgt)
    if source is None or (target is None and data.tgt is not None):
        return None
    return WholeBatches(data, source, target)


def _side(dataset: Any) -> Side | None:
    token = None
    if type(dataset) is PrependTokenDataset:
        token, dataset = dataset.token, dataset.dataset
    if type(dataset) is not MMapIndexedDataset:
        return None
    index: Any = dataset._index
    kind = np.dtype(index.dtype)
    tokens = np.frombuffer(dataset._bin_buffer, dtype=kind)
    first = index._pointers // kind.itemsize
    return Side(tokens, first, index._sizes, token, dataset)
