"""Data files that could not be opened.

Symptom: after the sentence that names a broken data file, Python prints "Exception
ignored in … __del__" with a traceback: fairseq closes what was never opened.
"""

from collections.abc import Callable
from typing import Any

from fairseq.data.indexed_dataset import MMapIndexedDataset

from lass_plugin.fairseq_fixes.replacing import replace_once


def _if_open(stock: Callable) -> Callable:
    def close(opened: Any) -> None:
        if hasattr(opened, "_bin_buffer_mmap"):
            stock(opened)

    return close


def close_only_what_is_open() -> None:
    """Close memory-mapped data, and its index, where it was opened."""
    replace_once(MMapIndexedDataset, "__del__", _if_open)
    replace_once(MMapIndexedDataset.Index, "__del__", _if_open)
