"""The task ``translation_subnetwork_search``: finds the sub-networks of pairs."""

from fairseq.tasks import register_task

from lass_plugin.methods.search.method import Search
from lass_plugin.methods.search.options import TranslationSubnetworkSearchConfig
from lass_plugin.tasks.translation_subnetwork import TranslationSubnetworkTask


@register_task(
    "translation_subnetwork_search", dataclass=TranslationSubnetworkSearchConfig
)
class TranslationSubnetworkSearchTask(TranslationSubnetworkTask):
    """Fine-tunes on one pair and scores its weights; see :class:`.Search`."""

    trains = Search
