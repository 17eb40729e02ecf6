"""The task ``masked_lm_gates``: an encoder with gates of its languages (Li 2022)."""

from fairseq.tasks import register_task

from lass_plugin.methods.gates.method import Gates
from lass_plugin.methods.gates.options import MaskedLmGatesConfig
from lass_plugin.tasks.masked_lm_languages import MaskedLmLanguagesTask


@register_task("masked_lm_gates", dataclass=MaskedLmGatesConfig)
class MaskedLmGatesTask(MaskedLmLanguagesTask):
    """Trains under the gates of each language, or learns them; see :class:`.Gates`."""

    trains = Gates
