"""The task ``translation_decoders``: own decoders or attention of each language."""

from fairseq.tasks import register_task

from lass_plugin.methods.decoders.method import OwnParts
from lass_plugin.methods.decoders.options import TranslationDecodersConfig
from lass_plugin.tasks.translation_subnetwork import TranslationSubnetworkTask


@register_task("translation_decoders", dataclass=TranslationDecodersConfig)
class TranslationDecodersTask(TranslationSubnetworkTask):
    """Trains what the target of each batch has of its own; see :class:`.OwnParts`.

    The task ``translation_subnetwork`` translates with it as well.
    """

    trains = OwnParts
