"""Packages that only the trees need: the extra ``trees``."""

import importlib
from typing import Any

from lass_plugin.errors import LassError


def need(module: str) -> Any:
    """Import *module*, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = {"Bio": "biopython"}.get(module.split(".")[0], module.split(".")[0])
        raise LassError(
            f"'lass tree' needs {name}, which cannot be imported ({error}); install "
            'the extra "trees": pip install "lass-plugin[trees]"'
        ) from error
