"""A run that goes on with other data, by ``--reset-dataloader``."""

from types import SimpleNamespace

import pytest
from fairseq import checkpoint_utils

from lass_plugin.data.pairs_dataset import PairsDataset, PairsIterator
from lass_plugin.fairseq_fixes import prepare_fairseq

NEVER = {"max_update": 0, "stop_time_hours": 0}


@pytest.mark.parametrize("updates", [6, 0])
def test_what_is_not_data_is_kept(updates):
    prepare_fairseq()
    loaded: list = []
    data = PairsDataset({"de-en": [0] * 4}, "train")
    iterator = PairsIterator(
        dataset=data,
        collate_fn=data.collater,
        batch_sampler=[[0], [1]],
        companion=SimpleNamespace(load_state_dict=loaded.append),
    )
    place = {"epoch": 3, "iterations_in_epoch": 1, "subnetwork": {"phase": "search"}}
    options = {
        **dict.fromkeys(("reset_optimizer", "reset_lr_scheduler", "reset_meters"), 0),
        **{"reset_dataloader": True, "optimizer_overrides": "{}", "patience": -1},
        **{"finetune_from_model": None, "continue_once": None, "save_dir": "."},
    }
    cfg = SimpleNamespace(restore_file="run.pt", **options)
    trainer = SimpleNamespace(
        checkpoint_suffix="",
        cfg=SimpleNamespace(optimization=SimpleNamespace(**NEVER), checkpoint=cfg),
        task=None,
        load_checkpoint=lambda *words, **more: {"train_iterator": place},
        get_train_iterator=lambda **more: iterator,
        get_num_updates=lambda: updates,  # 0 with --reset-optimizer
        lr_step=lambda epoch: None,
    )
    _, made = checkpoint_utils.load_checkpoint(cfg, trainer)
    assert made.epoch == 1 and not made.iterations_in_epoch
    assert loaded == ([place["subnetwork"]] if updates else [])
