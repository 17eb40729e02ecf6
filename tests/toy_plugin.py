"""A method, its task and two scores as somebody else would write them."""

import contextlib

from fairseq.tasks import register_task

from lass_plugin.methods.method import Method
from lass_plugin.methods.registry import register_method
from lass_plugin.options import TranslationSubnetworkConfig
from lass_plugin.scores import Score, register_score
from lass_plugin.tasks.translation_subnetwork import TranslationSubnetworkTask

MATRIX = "decoder.layers.1.fc1.weight"


@register_method
class Scaled(Method):
    """One matrix, multiplied by a factor of each pair."""

    entry, words, phase = "scaled", "a factor of each pair", "scaled"

    def __init__(self, factors):
        self.factors = factors

    @classmethod
    def from_options(cls, cfg, pairs, tokens):
        return cls({str(pair): 2.0**number for number, pair in enumerate(pairs)})

    @classmethod
    def from_state(cls, state, where):
        return cls(dict(state))

    def to_state(self):
        return {self.entry: dict(self.factors)}

    def identity(self):
        return {"factors": dict(self.factors)}

    @contextlib.contextmanager
    def part(self, key):
        self.put_in(key)
        yield
        self.model.get_parameter(MATRIX).data.div_(self.factors[key])

    def put_in(self, key):
        self.model.get_parameter(MATRIX).data.mul_(self.factors[key])

    def baked(self, name, weight, key):
        return weight * self.factors[key] if name == MATRIX else weight


@register_task("translation_scaled", dataclass=TranslationSubnetworkConfig)
class ScaledTask(TranslationSubnetworkTask):
    trains = Scaled


def _add_size(score, weight, gradient, factor=1.0):
    score.add_((gradient.float() * weight.float() * factor).abs())


register_score(Score("unsigned", accumulate=_add_size))
register_score(Score("smallest", of_weight=lambda weight: -weight.detach().abs()))
