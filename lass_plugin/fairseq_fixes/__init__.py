"""What current torch and Python need of fairseq: one fault a file, with its symptom."""

import atexit

from lass_plugin.checkpoints.torch_files import allow_checkpoint_types
from lass_plugin.fairseq_fixes.amp_steps import unscale_gradients_once
from lass_plugin.fairseq_fixes.explanations import explain_mistakes
from lass_plugin.fairseq_fixes.failing_options import explain_other_models
from lass_plugin.fairseq_fixes.finished_runs import end_finished_runs
from lass_plugin.fairseq_fixes.half_open_data import close_only_what_is_open
from lass_plugin.fairseq_fixes.interval_checkpoints import keep_points_at_epoch_ends
from lass_plugin.fairseq_fixes.layer_norm_eps import take_layer_norm_eps
from lass_plugin.fairseq_fixes.new_data import keep_what_is_not_data
from lass_plugin.fairseq_fixes.one_training import train_alone
from lass_plugin.fairseq_fixes.places_of_checkpoints import find_places_beside
from lass_plugin.fairseq_fixes.reader_threads import stop_readers
from lass_plugin.fairseq_fixes.several_processes import train_by_several
from lass_plugin.fairseq_fixes.tokens_of_options import take_tokens_of_options
from lass_plugin.fairseq_fixes.uncaught import end_in_a_sentence
from lass_plugin.fairseq_fixes.whole_checkpoints import write_checkpoints_atomically


def prepare_fairseq() -> None:
    """Repair all of it, when the plugin is loaded; safe to call again."""
    allow_checkpoint_types()
    write_checkpoints_atomically()
    train_by_several()
    keep_points_at_epoch_ends()
    explain_mistakes()
    train_alone()
    explain_other_models()
    take_tokens_of_options()
    find_places_beside()
    unscale_gradients_once()
    take_layer_norm_eps()
    keep_what_is_not_data()
    end_finished_runs()
    close_only_what_is_open()
    end_in_a_sentence()
    atexit.unregister(stop_readers)
    atexit.register(stop_readers)
