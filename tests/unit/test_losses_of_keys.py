"""Validation losses of each key, of several processes too."""

import math

import pytest
import torch
from fairseq.distributed import utils as distributed_utils
from fairseq.logging import metrics

from lass_plugin.training.validation import add_key, log_keys

KEYS = ["de-en", "en-de"]


def batch(key: str, loss: float, tokens: int, counted: bool = False) -> dict:
    """What a criterion gives for a batch; encoders count in a tensor."""
    output = {"loss": torch.tensor(loss), "ntokens": tokens}
    output["sample_size"] = torch.tensor(tokens) if counted else tokens
    add_key(output, key, KEYS, "sample_size" if counted else "ntokens")
    return output


def summed(monkeypatch: pytest.MonkeyPatch, first: dict, second: dict) -> dict:
    """What the first of two processes gets of both, by fairseq's own sum."""
    sent: list[torch.Tensor] = []
    monkeypatch.setattr(
        distributed_utils, "all_reduce", lambda buffer, group: sent.append(buffer)
    )
    distributed_utils.all_reduce_dict(second, torch.device("cpu"), None)
    monkeypatch.setattr(
        distributed_utils, "all_reduce", lambda buffer, group: buffer.add_(sent.pop(0))
    )
    return distributed_utils.all_reduce_dict(first, torch.device("cpu"), None)


@pytest.mark.parametrize("counted", [False, True])
def test_batches_of_other_keys_on_other_processes(monkeypatch, counted):
    first, second = batch("de-en", 6.0, 3, counted), batch("en-de", 8.0, 2, counted)
    total = summed(monkeypatch, first, second)
    with metrics.aggregate(new_root=True) as found:
        log_keys(metrics, [total])
    bits = found.get_smoothed_values()
    assert bits["loss_de-en"] == pytest.approx(2 / math.log(2), abs=1e-3)
    assert bits["loss_en-de"] == pytest.approx(4 / math.log(2), abs=1e-3)
    assert bits["pair_loss"] == pytest.approx(3 / math.log(2), abs=1e-3)
