"""Options of ``lass gates export``."""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.files import ends_in
from lass_plugin.settings import Settings, argument, needless, option, required, switch

STATES, SCORES = "states", "scores"
"""What an ONNX model gives; any other word names a classification head."""


@dataclass(frozen=True, kw_only=True)
class GatesExportSettings(Settings):
    """One key of a gated model, as a smaller model."""

    checkpoint: Path = argument("the gated model", metavar="MODEL")
    gates: Path | None = option(
        None,
        "folder of 'lass gates select' (default: the gates that MODEL carries)",
        metavar="DIR",
    )
    key: str = required("whose gates: a language, a pair, or shared", metavar="KEY")
    sparsity: float | None = option(
        None,
        "share to remove, of gates that serve any (see 'lass gates select')",
        metavar="S",
    )
    out: Path = required("checkpoint to write", metavar="FILE", check=ends_in(".pt"))
    fill: bool = switch(
        "fill layers up with zeros to one width and the full rank, so that stock "
        "fairseq and Hugging Face load the model"
    )
    half: bool = switch("store the weights of the checkpoint in half precision")
    onnx: Path | None = option(
        None, "write the encoder for ONNX, too", metavar="FILE", check=ends_in(".onnx")
    )
    onnx_int8: Path | None = option(
        None,
        "the same with matrices in 8 bits (dynamic quantization)",
        metavar="FILE",
        check=ends_in(".onnx"),
    )
    onnx_output: str = option(
        STATES,
        "what it gives: states (of the last layer), scores (of masked language "
        "modelling) or a classification head's name (default: %(default)s)",
        metavar="WHAT",
    )
    hugging_face: Path | None = option(
        None,
        "write config.json and model.safetensors of Hugging Face's XLM-RoBERTa, too",
        metavar="DIR",
    )

    def check(self) -> None:
        """Refuse what has no effect.

        Raises:
            LassError: names the option.
        """
        super().check()
        if self.onnx is None and self.onnx_int8 is None:
            needless(self, "onnx_output", "without --onnx or --onnx-int8")
