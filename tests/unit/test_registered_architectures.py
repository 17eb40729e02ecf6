"""What builds a model from a checkpoint knows the architectures of this package."""

import bare
from conftest import ROOT

PROGRAM = """
import lass_plugin.methods.gates.export
from fairseq.models import ARCH_MODEL_REGISTRY as known
wanted = {"roberta_quickstart", "xmod_languages", "transformer_small"}
print(sorted(wanted - set(known)))
"""


def test_a_command_that_loads_one_kind_knows_all():
    result = bare.run(PROGRAM, path=ROOT)
    assert result.stdout.strip() == "[]", result.stderr
