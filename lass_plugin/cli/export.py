"""Write one pair's part of a model as a plain checkpoint of stock fairseq.

    lass export joint/checkpoint_best.pt --pair de-en --out de-en.pt
    lass export lslo/checkpoint_best.pt --pair de-en --base base.pt --out de-en.pt

The mask is multiplied into the weights, or the low-rank modules of the pair are added
to those of the base (--base where it is no longer where it was in training). What the
file needs is fairseq, its dictionary, and not this package. The command that translates
with it is printed at the end.

Adapters have no place in stock fairseq: of a checkpoint with adapters this writes one
for this package, without the adapters of other pairs and the optimizer's state.

With --ctranslate2 DIR [--quantization int8] it is written for CTranslate2, too, which
translates several times as fast on a CPU (extra: lass-plugin[ctranslate2]).

With --compact the file is smaller and translation faster: hidden units of feed-forward
layers that cannot contribute are cut out, on each side down to the most that one of its
layers uses. Heads and other neurons of attention, and outputs of a layer, stay as zeros
('lass compact --help' says why, and writes one checkpoint for several pairs).
"""

from pathlib import Path
from typing import Any

from lass_plugin.cli.compact import print_cut
from lass_plugin.errors import LassError
from lass_plugin.methods.export_settings import MULTIPLE, ExportSettings
from lass_plugin.settings import needless

HELP = "write one pair as a checkpoint of stock fairseq"
SETTINGS = ExportSettings


def run(settings: ExportSettings) -> int:
    """Export, and print the command that translates with the result."""
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.checkpoints.stock import stock_command
    from lass_plugin.checkpoints.torch_files import save_tensors
    from lass_plugin.methods.registry import exporting_method, method_of
    from lass_plugin.methods.subnetworks.compaction import compacted_pair

    path, out = settings.checkpoint, settings.out
    checkpoint = Checkpoint.read_whole(path)
    method = method_of(checkpoint.task_state, str(path))
    if not method.takes_base:
        needless(
            settings, "base", f"on {path}, which has no low-rank modules or the like"
        )
    method = exporting_method(method, path, settings.masks)
    method = method.at_sparsity(settings.sparsity)
    for option, given in (
        ("--compact", settings.compact),
        ("--ctranslate2", settings.ctranslate2),
    ):
        if given:
            method.check_in_stock(option)
    result, what = method.export(checkpoint, settings)
    if settings.compact:
        whole = result
        multiple = settings.multiple or MULTIPLE
        result, cut, difference = compacted_pair(Checkpoint(path, whole), multiple)
        print_cut(whole, result, cut, difference)
    else:
        needless(settings, "multiple", "without --compact")
    save_tensors(out, result)
    print(f"{settings.pair}: {what} -> {out}")
    if method.in_stock:
        command = stock_command(checkpoint, result, out)
        print(f"translate with stock fairseq:\n{command}")
    else:
        print(
            f"stock fairseq has no place for {method.words}; translate with this "
            f"package:\n{_own_command(checkpoint, out)}"
        )
    if settings.ctranslate2 is not None:
        _convert(settings, settings.ctranslate2, checkpoint, result)
    return 0


def _own_command(checkpoint: Any, out: Path) -> str:
    """The command of this package that translates with an exported checkpoint."""
    import shlex

    data = str((checkpoint.task_options or {}).get("data") or "DATA").split(":")[0]
    return shlex.join(["lass", "translate", str(out), "--data", data])


def _convert(
    settings: ExportSettings, folder: Path, checkpoint: Any, exported: Any
) -> None:
    """Write *exported* as a model of CTranslate2."""
    from lass_plugin.checkpoints.ctranslate2_models import convert
    from lass_plugin.data.data_folder import first_folder
    from lass_plugin.evaluation.systems import Saved, System

    data = settings.data or (checkpoint.task_options or {}).get("data")
    if not data or not Path(first_folder(data)).is_dir():
        raise LassError(
            f"the data folder {data} of the dictionary is not there; give it with "
            "--data"
        )
    ready = Saved(System("model", settings.out)).set_up(
        first_folder(data), [settings.pair]
    )
    dictionaries = (ready.task.source_dictionary, ready.task.target_dictionary)
    convert(exported, dictionaries, folder, settings.quantization)
    pair, tokens = settings.pair, ready.task.tokens
    numbers = (
        tokens.encoder_token(pair, dictionaries[0]),
        tokens.decoder_token(pair, dictionaries[1]),
    )
    prefixes = "".join(
        f", {side} prefix {dictionary[number]}"
        for side, dictionary, number in zip(
            ("source", "target"), dictionaries, numbers, strict=True
        )
        if number is not None
    )
    print(
        f"as a model of CTranslate2 ({settings.quantization or 'float32'}{prefixes}) "
        f"-> {folder}"
    )
