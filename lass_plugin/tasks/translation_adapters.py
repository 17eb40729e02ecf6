"""The task ``translation_adapters``: adapters behind every layer (Bapna 2019)."""

from fairseq.tasks import register_task

from lass_plugin.methods.adapters.method import AdapterMethod
from lass_plugin.methods.adapters.options import TranslationAdaptersConfig
from lass_plugin.tasks.translation_subnetwork import TranslationSubnetworkTask


@register_task("translation_adapters", dataclass=TranslationAdaptersConfig)
class TranslationAdaptersTask(TranslationSubnetworkTask):
    """Trains the adapters of each batch's keys; see :class:`.AdapterMethod`.

    The task ``translation_subnetwork`` translates with them as well.
    """

    trains = AdapterMethod
