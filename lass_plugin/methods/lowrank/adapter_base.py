"""The base of a LoRA adapter: a base of the same shapes gives other translations.

PEFT knows a base by its name. Adapters of ours say in the header of their weights which
one they were trained in; one that PEFT has saved again does not, and is taken as it is.
"""

import json
import os
from pathlib import Path
from typing import Mapping

from torch import Tensor

from lass_plugin import tensor_files
from lass_plugin.errors import DAMAGED, LassError
from lass_plugin.masks.fingerprint import Fingerprint, same_weights
from lass_plugin.methods.lowrank.frozen_base import fingerprint_of

ENTRY = "lass_base"


def metadata_of(base: Fingerprint) -> dict[str, str]:
    """The header of the weights of an adapter that was trained in *base*."""
    return {"format": "pt", ENTRY: json.dumps(base)}


def check(path: Path, weights: Mapping[str, Tensor], base: str | os.PathLike) -> None:
    """Refuse another base than that of the adapter, where this says which.

    Args:
        path: of the adapter's weights.
        weights: name -> weight of *base*.
        base: for messages.

    Raises:
        LassError: it was trained in another one.
    """
    try:
        said = json.loads(tensor_files.read_metadata(path).get(ENTRY, "{}"))
        theirs = {str(name): float(value) for name, value in said.items()}
    except (tensor_files.Unreadable, *DAMAGED):  # of others, or named when it is read
        return
    known = [name for name in theirs if f"{name}.weight" in weights]
    if theirs and not same_weights(theirs, fingerprint_of(weights, known)):
        raise LassError(
            f"the adapter in {path.parent} was trained on another base than {base}; "
            "give its own with --base"
        )
