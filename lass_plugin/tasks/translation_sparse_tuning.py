"""The task ``translation_sparse_tuning``: differences to a base (Ansell 2022)."""

from fairseq.tasks import register_task

from lass_plugin.methods.sparse_tuning.method import SparseTuning
from lass_plugin.methods.sparse_tuning.options import TranslationSparseTuningConfig
from lass_plugin.tasks.translation_subnetwork import TranslationSubnetworkTask


@register_task("translation_sparse_tuning", dataclass=TranslationSparseTuningConfig)
class TranslationSparseTuningTask(TranslationSubnetworkTask):
    """Trains the differences of the pair of each batch; see :class:`.SparseTuning`.

    The task ``translation_subnetwork`` translates with them as well.
    """

    trains = SparseTuning
