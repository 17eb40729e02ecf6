"""The task ``translation_lslo``: low-rank modules in a frozen base (Cao 2024)."""

from fairseq.tasks import register_task

from lass_plugin.methods.lowrank.method import LowRank
from lass_plugin.methods.lowrank.options import TranslationLsloConfig
from lass_plugin.tasks.translation_subnetwork import TranslationSubnetworkTask


@register_task("translation_lslo", dataclass=TranslationLsloConfig)
class TranslationLsloTask(TranslationSubnetworkTask):
    """Trains the modules of the languages of each batch; see :class:`.LowRank`.

    The task ``translation_subnetwork`` translates with them as well.
    """

    trains = LowRank
