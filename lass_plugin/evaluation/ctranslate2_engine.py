"""Translation by CTranslate2, several times as fast as fairseq's on a processor.

A pair's part of the model is put into the weights and converted, once; the converted
models are kept, and held in one process for all pairs.
"""

from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.ctranslate2_models import (
    RECORD,
    convert,
    import_ctranslate2,
    is_of,
)
from lass_plugin.checkpoints.trained_with import entry_of
from lass_plugin.errors import LassError
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import Ready
from lass_plugin.evaluation.translation import Translator
from lass_plugin.files import stamp
from lass_plugin.languages import Pair
from lass_plugin.methods.export_settings import ExportSettings
from lass_plugin.methods.registry import method_of
from lass_plugin.methods.subnetworks.extension import chooses_beyond
from lass_plugin.records.json_record import digest_of

HELD = 32
"""Models in memory, those of the pairs last translated."""

POSITIONS = 1024
"""Of fairseq's transformer, where its options do not say."""

FOLDER = "ctranslate2"
"""Beside a checkpoint: the models that were made of it."""


class CTranslate2Translator(Translator):
    """The models of a system's pairs.

    Raises:
        LassError: CTranslate2 is missing, or cannot compute so on this machine.
    """

    def __init__(self, ready: Ready, decoding: Decoding):
        ready.method.check_in_stock("--engine ctranslate2")
        self._library = import_ctranslate2()
        self._computes = decoding.quantization or "float32"
        device = decoding.device.type
        able = self._library.get_supported_compute_types(device)
        if self._computes not in able:
            raise LassError(
                f"CTranslate2 does not compute in {self._computes} on this {device}; "
                f"--quantization can be {', '.join(sorted(able))}"
            )
        self._held: OrderedDict[str, Any] = OrderedDict()
        options = Checkpoint.read(ready.system.checkpoint).model_options
        self._ends = int(options.get("max_target_positions") or POSITIONS)
        positions = int(options.get("max_source_positions") or POSITIONS)
        super().__init__(ready, decoding, positions)

    def load(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._model(Pair.parse(key))

    def best(self, sample: dict[str, Any]) -> list[list[int]]:
        task, decoding = self.task, self.decoding
        source, target = task.source_dictionary, task.target_dictionary
        tokens = sample["net_input"]["src_tokens"]
        pair = Pair.parse(sample["language_key"])
        longest = int(decoding.max_len_a * tokens.size(1) + decoding.max_len_b)
        token = task.tokens.decoder_token(pair, target)
        prefix = None if token is None else [[target[token]]] * len(tokens)
        try:
            found = self._model(pair).translate_batch(
                [self._symbols(row, source) for row in tokens.tolist()],
                target_prefix=prefix,
                beam_size=decoding.beam,
                length_penalty=decoding.lenpen,
                max_decoding_length=min(longest, self._ends - 1),
                max_input_length=0,
                max_batch_size=0,
            )
        except RuntimeError as error:
            raise LassError(
                f"CTranslate2 cannot translate a batch of {len(tokens)} sentences of "
                f"{pair} ({error}); lower --max-tokens (now {decoding.max_tokens})"
            ) from error
        return [
            [*map(target.index, each.hypotheses[0]), target.eos()] for each in found
        ]

    @staticmethod
    def _symbols(row: list[int], dictionary: Any) -> list[str]:
        """The words of a padded row but its end, which the model adds."""
        return [dictionary[n] for n in row if n != dictionary.pad()][:-1]

    def _model(self, pair: Pair) -> Any:
        """The model of *pair*, of those last used."""
        key = str(pair)
        if key not in self._held:
            count = len(self.task.target_dictionary)
            if told := chooses_beyond(self.task.symbols, key, count):
                raise LassError(f"{told}; leave --engine out")
            folder = self._folder_of(pair)
            self._held[key] = self._library.Translator(
                str(folder),
                device=self.decoding.device.type,
                compute_type=self._computes,
                intra_threads=torch.get_num_threads(),
            )
            if len(self._held) > HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(key)
        return self._held[key]

    def _whole(self) -> Checkpoint:
        return Checkpoint.read_whole(self.ready.system.checkpoint)

    def _plain(self) -> Checkpoint:
        """The checkpoint without what a method has added to its weights.

        Raises:
            LassError: they are not in it, but in a base.
        """
        checkpoint = self._whole()
        carried = method_of(checkpoint.task_state, str(checkpoint.path))
        if carried.takes_base:
            raise LassError(
                f"{checkpoint.path} has no weights of its own, which --dense would "
                "translate with; give its base as a system"
            )
        weights = checkpoint.content["model"]
        own = {n: w for n, w in weights.items() if carried.is_parameter(n)}
        return Checkpoint(checkpoint.path, {**checkpoint.content, "model": own})

    def _folder_of(self, pair: Pair) -> Path:
        """Where the model of *pair* is, converted now unless it has been.

        Raises:
            LassError: it cannot be converted, or the place cannot be written.
        """
        ready, system = self.ready, self.ready.system
        dictionaries = (self.task.source_dictionary, self.task.target_dictionary)
        made_of = {
            "checkpoint": stamp(system.checkpoint)[1:],
            "pair": str(pair),
            **ready.method.translation_identity(str(pair)),
            "dictionaries": entry_of(dictionaries),
            "quantization": self._computes,
            "ctranslate2": self._library.__version__,
        }
        if ready.method.entry and system.base is not None:
            made_of["base"] = stamp(system.base)[1:]
        place = self.decoding.converted or system.checkpoint.parent / FOLDER
        name = f"{system.checkpoint.stem}.{pair}.{digest_of(made_of)[:16]}"
        folder = Path(place) / name
        if not is_of(folder, made_of):
            exported, _ = ready.method.export(
                self._plain() if system.dense else self._whole(),
                ExportSettings(
                    checkpoint=system.checkpoint,
                    out=folder / RECORD,
                    pair=pair,
                    base=system.base,
                ),
            )
            convert(exported, dictionaries, folder, self._computes, made_of)
        return folder
