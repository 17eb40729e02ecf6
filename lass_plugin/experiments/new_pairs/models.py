"""The models that pairs are added to: read, checked, and written again with room."""

import sys
from dataclasses import dataclass
from pathlib import Path

from lass_plugin.anatomy.neurons import are_neurons
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.torch_files import save_tensors
from lass_plugin.data.data_folder import RECORD
from lass_plugin.errors import LassError
from lass_plugin.evaluation.systems import Saved, System
from lass_plugin.experiments.new_pairs.checkpoint import extended
from lass_plugin.experiments.new_pairs.data import (
    SubwordModel,
    check_split,
    check_text,
    prepare_data,
)
from lass_plugin.experiments.new_pairs.settings import DENSE, ExtendSettings
from lass_plugin.experiments.new_pairs.vocabulary import Vocabulary
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.masks.file import carried_masks


@dataclass(frozen=True)
class OldModel:
    """A checkpoint before its extension, with its pairs and its vocabulary."""

    checkpoint: Checkpoint
    pairs: list[Pair]
    vocabulary: Vocabulary

    @classmethod
    def read(cls, path: Path, data: Path, masked: bool) -> "OldModel":
        """Read *path*, which was trained with the data folder *data*.

        Args:
            masked: it has to carry masks, and its pairs are theirs; else its pairs are
                those that it was trained on.

        Raises:
            LassError: it has no masks or no known pairs, or does not fit the data.
        """
        checkpoint = Checkpoint.read(path)
        masks = carried_masks(checkpoint)
        if masked and masks is None:
            raise LassError(
                f"{path} carries no masks, so no pair has a sub-network in it; give a "
                "jointly trained checkpoint (one without masks goes to --dense)"
            )
        if masks is not None and are_neurons(masks.shapes):
            raise LassError(
                f"{path} carries masks of neurons; 'lass extend' adds pairs to models "
                "with masks of weights only"
            )
        saved = Saved(System("model", path, dense=True))
        pairs = parse_pairs(list(masks)) if masked and masks else saved.trained_pairs
        if not pairs:
            raise LassError(f"{path} does not say which pairs it was trained on")
        if not data.is_dir():
            raise LassError(f"the data folder {data} does not exist")
        task = saved.set_up(data, pairs).task
        if task.source_dictionary != task.target_dictionary:
            raise LassError(
                f"source and target languages of {data} have different dictionaries; "
                "only a model with one joint dictionary can be extended"
            )
        vocabulary = Vocabulary(task.source_dictionary, task.tokens)
        return cls(checkpoint, pairs, vocabulary)


@dataclass(frozen=True)
class Plan:
    """What is to be extended, read and checked; nothing has been written yet."""

    models: dict[str, OldModel]
    """A way that starts from a model -> the model: the first way, and dense."""
    watched: list[Pair]
    """The older pairs that are scored."""
    subwords: SubwordModel


def check(settings: ExtendSettings) -> Plan:
    """Read the models and see that all can be carried out.

    Raises:
        LassError: names the option or file at fault.
    """
    old = OldModel.read(settings.checkpoint, settings.data, masked=True)
    for pair in settings.pairs:
        if pair in old.pairs:
            raise LassError(
                f"{settings.checkpoint} has the pair {pair} already; leave it out of "
                "--pairs"
            )
    for pair in settings.old_pairs:
        if pair not in old.pairs:
            raise LassError(
                f"--old-pairs names {pair}, which {settings.checkpoint} does not have "
                f"({', '.join(map(str, old.pairs))})"
            )
    models = {settings.ways[0]: old}
    if settings.dense is not None:
        dense = OldModel.read(settings.dense, settings.data, masked=False)
        if dense.vocabulary != old.vocabulary:
            raise LassError(
                f"{settings.dense} has other symbols or language tokens than "
                f"{settings.checkpoint}; give a model that was trained with the same "
                "data folder and languages"
            )
        models[DENSE] = dense
    watched = list(settings.old_pairs) or old.pairs
    check_split(settings.data, watched, settings.split)
    check_text(settings.text, settings.pairs, settings.split)
    subwords = SubwordModel.find(
        settings.data, old.vocabulary.dictionary, settings.spm_model
    )
    settings.search().check()
    return Plan(models, watched, subwords)


def extend_models(settings: ExtendSettings, plan: Plan) -> None:
    """Make the data folder and the checkpoints with room for the new pairs."""
    paths = {way: settings.start_of(way) for way in plan.models}
    if (settings.data_out / RECORD).is_file() and all(
        path.is_file() for path in paths.values()
    ):
        return
    old = plan.models[settings.ways[0]]
    new = prepare_data(
        settings.text,
        settings.data,
        settings.data_out,
        old.vocabulary,
        settings.pairs,
        plan.watched,
        settings.split,
        plan.subwords,
        settings.least,
    )
    added = len(new) - len(old.vocabulary)
    print(
        f"{len(old.vocabulary)} symbols and {added} new ones; languages: "
        f"{', '.join(new.tokens.languages)}",
        file=sys.stderr,
    )
    for way, model in plan.models.items():
        # the dense model is compared on the pairs of the other
        parts = (model.checkpoint, model.vocabulary, new, old.pairs)
        save_tensors(paths[way], extended(*parts, settings.seed))
