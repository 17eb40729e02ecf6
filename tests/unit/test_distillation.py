"""Distillation: the divergence from a teacher beside masked language modelling."""

import math
from argparse import Namespace

import pytest
import torch

from lass_plugin.criterions.masked_lm_distillation import (
    MaskedLmDistillation,
    MaskedLmDistillationConfig,
    divergence,
)
from lass_plugin.errors import LassError


def test_the_divergence_by_a_slow_loop():
    student = torch.tensor([[1.0, 0.0, -2.0], [0.5, 3.0, 1.0]])
    teacher = torch.tensor([[0.0, 2.0, 1.0], [0.5, 3.0, 1.0]])
    temperature, total = 2.0, 0.0
    for ours, theirs in zip(student.tolist(), teacher.tolist(), strict=True):
        q, p = (
            [math.exp(x / temperature) for x in logits] for logits in (ours, theirs)
        )
        for a, b in zip(q, p, strict=True):
            a, b = a / sum(q), b / sum(p)
            total += b * math.log(b / a)
    found = divergence(student, teacher, temperature)
    assert float(found) == pytest.approx(temperature**2 * total, rel=1e-5)
    assert float(divergence(teacher, teacher, 3.0)) == pytest.approx(0, abs=1e-5)


class Fixed(torch.nn.Module):
    """An encoder that gives the same logits to all tokens that are to be guessed."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.nn.Parameter(torch.tensor(logits))

    def forward(self, src_tokens, masked_tokens=None, **unused):
        return self.logits.expand(int(masked_tokens.sum()), -1), {}

    def get_targets(self, sample, output):
        return sample["target"]


class Symbols:
    def __len__(self):
        return 5

    def pad(self):
        return 1


@pytest.fixture
def criterion(monkeypatch):
    teacher = Fixed([0.0, 0.0, 0.0, 0.0, 2.0])
    place = "lass_plugin.criterions.masked_lm_distillation.load_teacher"
    monkeypatch.setattr(place, lambda path, task: teacher)

    def make(**options):
        cfg = MaskedLmDistillationConfig(tpu=False, teacher="teacher.pt")
        vars(cfg).update(options)
        task = Namespace(target_dictionary=Symbols(), begun_with={})
        return MaskedLmDistillation(cfg, task)

    make.teacher = teacher
    return make


SAMPLE = {
    "net_input": {"src_tokens": torch.tensor([[0, 4, 4, 2]])},
    "target": torch.tensor([[1, 4, 3, 1]]),
    "ntokens": 4,
    "nsentences": 1,
}


def test_the_loss_is_the_weighted_sum_of_both(criterion):
    student = Fixed([0.0, 1.0, 0.0, 0.0, 0.0]).train()
    loss, size, log = criterion(distillation_weight=0.3)(student, SAMPLE)
    plain = -2 * torch.log_softmax(student.logits, 0)[3]
    apart = divergence(student.logits[None], criterion.teacher.logits[None], 2.0)
    assert int(size) == 2
    assert float(loss) == pytest.approx(float(0.7 * plain + 0.3 * 2 * apart), rel=1e-5)
    assert float(log["nll_loss"]) == pytest.approx(float(plain), rel=1e-5)
    loss.backward()
    assert student.logits.grad.abs().sum() > 0 and criterion.teacher.logits.grad is None


def test_validation_has_the_loss_of_the_student_alone(criterion):
    student = Fixed([0.0, 1.0, 0.0, 0.0, 0.0]).eval()
    loss, _, log = criterion()(student, SAMPLE)
    assert float(loss) == float(log["nll_loss"]) and not log["divergence"]


def test_the_teacher_is_not_trained(criterion):
    assert not list(criterion().parameters())


@pytest.mark.parametrize(
    "options, told",
    [
        ({"teacher": None}, "give --teacher"),
        ({"distillation_temperature": 0.0}, "--distillation-temperature 0.0"),
        ({"distillation_weight": 1.5}, "--distillation-weight 1.5"),
    ],
)
def test_mistakes_are_named(criterion, options, told):
    with pytest.raises(LassError, match=told):
        criterion(**options)
