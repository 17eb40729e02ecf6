"""Every kind of training in two real processes: begun from a base, killed, resumed."""

from signal import SIGKILL

import pytest
from conftest import KINDS, load
from forked import ForkedCommands
from runs import differences, train_by_two

LENGTH = ("--max-update", 8, "--save-interval-updates", 4, "--no-epoch-checkpoints")
LENGTH += ("--keep-interval-updates", 1, "--disable-validation")
BACKENDS = ("legacy_ddp", "pytorch_ddp")
QUICK = [("joint", "legacy_ddp")]


@pytest.mark.parametrize(
    ("kind", "backend"),
    [
        pytest.param(
            *(kind, backend),
            marks=() if (kind, backend) in QUICK else pytest.mark.slow,
        )
        for kind in KINDS
        for backend in BACKENDS
    ],
)
def test_a_killed_training_goes_on(commands, kinds, grown, tmp_path, kind, backend):
    if kind == "extension":
        commands = ForkedCommands(grown / "data", tmp_path)
    flags = (*kinds[kind], *LENGTH)
    unused = ("low-rank", "learned-gates", "adapters", "frozen-adapters")
    unused += ("own-decoders", "own-attention")
    if kind in unused and backend == "pytorch_ddp":
        flags += ("--find-unused-parameters",)
    train_by_two(commands, tmp_path / "whole", *flags, backend=backend)
    dead = train_by_two(
        *(commands, tmp_path / "killed", *flags),
        **{"backend": backend, "prepare": ("die_at_update", 6), "check": False},
    )
    assert {each.returncode for each in dead} == {-SIGKILL}, dead[0].stderr[-3000:]
    train_by_two(commands, tmp_path / "killed", *flags, backend=backend)
    whole, killed = (
        load(tmp_path / name / "checkpoint_last.pt") for name in ("whole", "killed")
    )
    assert differences(whole, killed) == []
