"""A pair's checkpoint as a model of CTranslate2, which translates it faster.

What its own converter of fairseq's models makes, from the checkpoint in memory: that
converter asks for a file with a class in it, which fairseq cannot read since torch 2.6.
"""

import os
import shutil
import tempfile
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fairseq.data import Dictionary
from fairseq.models.transformer import TransformerModel

from lass_plugin.errors import LassError
from lass_plugin.files import read_json, write_json

INSTALL = "install it with: pip install 'lass-plugin[ctranslate2]'"
RECORD = "lass.json"
"""In the folder of a model: what it was made of."""


def import_ctranslate2() -> Any:
    """The library.

    Raises:
        LassError: it is not installed.
    """
    try:
        import ctranslate2
        import ctranslate2.converters
    except ImportError as error:
        raise LassError(f"CTranslate2 is missing ({error}); {INSTALL}") from error
    return ctranslate2


def convert(
    exported: Mapping[str, Any],
    dictionaries: Sequence[Dictionary],
    folder: str | os.PathLike,
    quantization: str | None = None,
    made_of: Mapping[str, Any] | None = None,
) -> None:
    """Write *exported* to a folder, which is there whole or not at all.

    Args:
        exported: what :func:`.stock.plain_checkpoint` made.
        dictionaries: of encoder and decoder, with their language tokens.
        quantization: of the matrices; None for float32.
        made_of: what :func:`is_of` compares.

    Raises:
        LassError: CTranslate2 is missing, or has no such model or quantization.
    """
    library = import_ctranslate2()
    from ctranslate2.converters import fairseq as official

    options = Namespace(**exported["cfg"]["model"])
    source, target = dictionaries
    task: Any = SimpleNamespace(source_dictionary=source, target_dictionary=target)
    try:
        model = TransformerModel.build_model(options, task).float().eval()
        model.load_state_dict(dict(exported["model"]), model_cfg=options)
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = " ".join(str(error).split())
        raise LassError(f"the model cannot be built ({reason})") from error
    for parameter in model.parameters():
        parameter.requires_grad = False

    class OfModel(library.converters.converter.Converter):  # type: ignore[name-defined]
        def _load(self) -> Any:
            spec = official._get_model_spec(options)
            official.set_transformer_encoder(spec.encoder, model.encoder)
            official.set_transformer_decoder(spec.decoder, model.decoder)
            spec.register_source_vocabulary(official._get_vocab(source))
            spec.register_target_vocabulary(official._get_vocab(target))
            spec.config.decoder_start_token = spec.config.eos_token
            spec.config.add_source_eos = True
            return spec

    folder = Path(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise LassError(f"cannot write {folder}: {error.strerror or error}") from error
    try:
        how = None if quantization == "float32" else quantization
        OfModel().convert(str(partial), quantization=how, force=True)
        write_json(partial / RECORD, made_of or {})
        partial.chmod(0o755)
        if (folder / RECORD).is_file():
            shutil.rmtree(folder)
        partial.rename(folder)
    except OSError as error:
        if made_of is not None and is_of(folder, made_of):
            return  # another process was quicker
        told = error.strerror or error
        raise LassError(
            f"cannot write {folder}: {told}; choose another place"
        ) from error
    except (ValueError, RuntimeError, NotImplementedError) as error:
        reason = " ".join(str(error).split())
        raise LassError(f"CTranslate2 cannot take this model: {reason}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def is_of(folder: Path, made_of: Mapping[str, Any]) -> bool:
    """Whether *folder* holds a model that was made of this."""
    try:
        return bool(read_json(folder / RECORD) == made_of)
    except (OSError, ValueError, RecursionError):
        return False
