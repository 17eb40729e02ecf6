"""Low-rank modules that no training has moved: the base computes alone, as is said."""

import torch
from low_rank_models import equipped

from lass_plugin.languages import written
from lass_plugin.methods.lowrank.attaching import low_rank_modules
from lass_plugin.methods.lowrank.frozen_base import fingerprint_of
from lass_plugin.methods.lowrank.method import LowRank
from lass_plugin.methods.lowrank.stored import Entry


def test_modules_without_training_are_told_once(caplog):
    model, plan = equipped()
    with torch.no_grad():
        for _, module in low_rank_modules(model):
            if module.index == "target":  # as if nl had been a source only
                module.B[written("nl")].zero_()
    of_base = fingerprint_of(dict(model.named_parameters()), plan.ranks)
    method = LowRank(Entry(plan, "base.pt", of_base)).bind(model)
    for key in ("de-en", "nl-de"):
        with method.using(key):
            pass
    assert not caplog.records
    for _ in range(2):
        with method.using("de-nl"):
            pass
    (told,) = caplog.messages
    assert "modules of nl as target add nothing" in told
