"""The task ``translation_gates``: gates on heads and hidden units (Li 2022)."""

from fairseq.tasks import register_task

from lass_plugin.methods.gates.method import Gates
from lass_plugin.methods.gates.options import TranslationGatesConfig
from lass_plugin.tasks.translation_subnetwork import TranslationSubnetworkTask


@register_task("translation_gates", dataclass=TranslationGatesConfig)
class TranslationGatesTask(TranslationSubnetworkTask):
    """Trains under the gates of each pair, or learns them; see :class:`.Gates`.

    The task ``translation_subnetwork`` translates with them as well.
    """

    trains = Gates
