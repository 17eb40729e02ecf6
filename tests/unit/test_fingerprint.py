"""The fingerprint of the weights that a mask was searched on."""

import math

import pytest
import torch

from lass_plugin.masks.fingerprint import (
    TOLERANCE,
    distance,
    fingerprint,
    same_weights,
    short_name,
)

STORED = -1.8291888167986123


def weights(seed: int, scale: float = 0.05) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"encoder.layers.0.fc1.weight": (64, 32)}
    shapes |= {f"encoder.layers.{i}.fc2.weight": (32, 64) for i in range(6)}
    return {
        name: scale * torch.randn(shape, generator=generator)
        for name, shape in shapes.items()
    }


def test_the_same_weights_have_the_same_fingerprint():
    assert fingerprint(weights(1)) == fingerprint(weights(1))


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_half_precision_and_back_are_the_same_weights(precision):
    whole = weights(1)
    half = {name: weight.to(precision) for name, weight in whole.items()}
    back = {name: weight.float() for name, weight in half.items()}
    for rounded in (half, back):
        assert same_weights(fingerprint(whole), fingerprint(rounded))


def test_another_seed_is_another_model():
    far = distance(fingerprint(weights(1)), fingerprint(weights(2)))
    assert far > 100 * TOLERANCE
    assert not same_weights(fingerprint(weights(1)), fingerprint(weights(2)))


def test_a_little_training_is_another_model():
    base = weights(1)
    generator = torch.Generator().manual_seed(3)
    moved = {
        name: weight
        + 0.1 * weight.std() * torch.randn(weight.shape, generator=generator)
        for name, weight in base.items()
    }
    assert not same_weights(fingerprint(base), fingerprint(moved))


def test_a_scale_makes_no_difference_but_an_order_does():
    base = weights(1)
    doubled = {name: 2 * weight for name, weight in base.items()}
    turned = {name: weight.flip(0) for name, weight in base.items()}
    assert same_weights(fingerprint(base), fingerprint(doubled))
    assert not same_weights(fingerprint(base), fingerprint(turned))


def test_other_names_or_none_are_never_the_same():
    base = fingerprint(weights(1))
    fewer = {name: base[name] for name in list(base)[1:]}
    assert distance(base, fewer) == distance({}, {}) == math.inf
    assert not same_weights({}, {})


def test_a_matrix_of_zeros_is_a_number_too():
    assert fingerprint({"w": torch.zeros(3, 3)}) == {"w": 0.0}


def test_the_sign_pattern_stays_what_it_is():
    """Fingerprints lie in files: another pattern would make all masks foreign."""
    sites = {"w": torch.arange(1.0, 101.0).view(10, 10)}
    assert fingerprint(sites)["w"] == pytest.approx(STORED, abs=1e-12)


def test_a_short_name_is_for_people():
    base = fingerprint(weights(1))
    assert len(short_name(base)) == 8
    assert short_name(base) == short_name(dict(reversed(base.items())))
    assert short_name(base) != short_name(fingerprint(weights(2)))
