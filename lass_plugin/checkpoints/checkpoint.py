"""A checkpoint of fairseq, our own or a foreign one: read once and handed on.

Nothing of a file is executed: torch's safe loading reads tensors and plain values, and
the few classes that fairseq itself stores (see :mod:`.torch_files`).
"""

import contextlib
import os
import zipfile
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Mapping

from torch import Tensor

from lass_plugin.anatomy.targets import TARGETS, select_sites
from lass_plugin.checkpoints.torch_files import load_tensors
from lass_plugin.errors import LassError
from lass_plugin.masks import Mask, MaskSet, load_masks
from lass_plugin.masks.state import from_state

if TYPE_CHECKING:
    from lass_plugin.methods.search.searched_masks import SearchedScores


def read_checkpoint(path: str | os.PathLike) -> dict[str, Any]:
    """Read a fairseq checkpoint to the CPU; its tensors stay on disk until used.

    Raises:
        LassError: unreadable (see :func:`load_tensors`), or not a fairseq checkpoint.
    """
    checkpoint = load_tensors(path, "a checkpoint")
    model = checkpoint.get("model") if isinstance(checkpoint, dict) else None
    if not isinstance(model, dict) or not any(
        isinstance(value, Tensor) for value in model.values()
    ):
        raise LassError(
            f"{path} is not a fairseq checkpoint (it has no weights under 'model'); "
            "give a checkpoint_*.pt of fairseq-train ('lass import-lass' reads the "
            "masks of LaSS)"
        )
    return checkpoint


def weights(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Name -> weight of every parameter and buffer of a checkpoint."""
    return {
        name: value
        for name, value in checkpoint["model"].items()
        if isinstance(value, Tensor)
    }


def search_state(
    checkpoint: Mapping[str, Any], path: str | os.PathLike, key: str | None = None
) -> Mapping[str, Any]:
    """The state of the search of one pair; see :func:`search_states`.

    Args:
        key: the pair; needed where the search was of several.

    Raises:
        LassError: also if the checkpoint has no search of *key*, or of several pairs.
    """
    states = search_states(checkpoint, path)
    if key is None and len(states) == 1:
        return next(iter(states.values()))
    if key not in states:
        wanted = "one of them has to be named" if key is None else f"not of {key}"
        raise LassError(f"the search in {path} is of {', '.join(states)}, {wanted}")
    return states[key]


def search_states(
    checkpoint: Mapping[str, Any], path: str | os.PathLike
) -> dict[str, Mapping[str, Any]]:
    """Pair -> state of its search, of the search that a checkpoint was saved by.

    Raises:
        LassError: it is the checkpoint of another phase or of stock fairseq.
    """
    from lass_plugin.methods.search.one_search import check_state
    from lass_plugin.methods.search.plan import SearchPlan
    from lass_plugin.methods.search.several import states_of

    state = _section(checkpoint, "extra_state", "train_iterator", "subnetwork")
    phase = state.get("phase") if isinstance(state, dict) else None
    if phase != "search":
        what = f"of {phase} training" if phase else "of stock fairseq"
        raise LassError(
            f"{path} is a checkpoint {what}, not of a search, and carries no masks; "
            "give the checkpoint_last.pt that a search of 'lass search' or of "
            "--task translation_subnetwork_search wrote"
        )
    try:
        found = {}
        for single in states_of(state):
            check_state(single)
            plan = SearchPlan.from_dict(single["plan"])
            for name, kind in _SEARCH_FIELDS.items():
                if not isinstance(single[name], kind):
                    raise TypeError(f"{name} is {type(single[name]).__name__}")
            found[plan.key] = single
    except LassError as error:
        raise LassError(f"{path}: {error.message}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise LassError(_damaged_search(path, error)) from error
    return found


_SEARCH_FIELDS = {"updates": int, "base": dict, "halves": list, "settled": dict}


def _damaged_search(path: str | os.PathLike, error: Exception) -> str:
    return (
        f"the search in {path} cannot be read ({type(error).__name__}: {error}); "
        "the checkpoint is damaged, so take an earlier one of the same folder"
    )


def searched_scores(
    checkpoint: Mapping[str, Any],
    path: str | os.PathLike,
    criterion: str | None = None,
    key: str | None = None,
) -> "SearchedScores":
    """The scores of a search's checkpoint, by its own criterion or another.

    A one-shot search by gradient also gives the scores by magnitude; see
    :func:`.training.searched_masks.scores_from_checkpoint`.

    Args:
        key: the pair; needed where the search was of several.

    Raises:
        LassError: not the checkpoint of a search, or its scores are damaged.
    """
    from lass_plugin.methods.search.searched_masks import scores_from_checkpoint

    state = search_state(checkpoint, path, key)
    with _naming_damage(path):
        return scores_from_checkpoint(state, checkpoint["model"], criterion)


def searched_mask(
    checkpoint: Mapping[str, Any],
    path: str | os.PathLike,
    ratio: float | None = None,
    criterion: str | None = None,
    key: str | None = None,
) -> Mask:
    """The mask of a search's checkpoint, at its own ratio and criterion or others.

    Args:
        key: the pair; needed where the search was of several.

    Raises:
        LassError: as :func:`searched_scores`, or a score is NaN.
    """
    scores = searched_scores(checkpoint, path, criterion, key)
    with _naming_damage(path):
        return scores.mask(scores.plan.ratio if ratio is None else ratio)


@contextlib.contextmanager
def _naming_damage(path: str | os.PathLike) -> Iterator[None]:
    """Name the file in whatever goes wrong with the scores in it."""
    try:
        yield
    except LassError as error:
        raise LassError(f"{path}: {error.message}") from error
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise LassError(_damaged_search(path, error)) from error


def carried_masks(
    checkpoint: Mapping[str, Any], path: str | os.PathLike
) -> MaskSet | None:
    """The masks that a jointly trained checkpoint carries, None for any other."""
    state = _section(checkpoint, "task_state", "masks")
    if state is None:
        return None
    if not isinstance(state, dict):
        raise LassError(f"the masks in {path} are damaged; take another checkpoint")
    return from_state(state, str(path))


def masks_at(places: str | os.PathLike | Iterable[str | os.PathLike]) -> MaskSet:
    """The masks at one or several places, as one set.

    Args:
        places: mask files, folders of mask files, jointly trained checkpoints; in a
            single text these may be separated by commas.

    Raises:
        LassError: a place holds no mask, or the masks are of different models.
    """
    if isinstance(places, str | os.PathLike):
        places = str(places).split(",")
    found: list[Mask] = []
    for place in map(Path, places):
        if place.is_file() and (place.suffix == ".pt" or zipfile.is_zipfile(place)):
            masks = carried_masks(read_checkpoint(place), place)
            if masks is None:
                raise LassError(
                    f"{place} carries no masks; give a jointly trained checkpoint, or "
                    "take the mask of a search out with 'lass extract'"
                )
        else:
            masks = load_masks(place)
        found.extend(masks.values())
    return MaskSet(found)


def iterator_state(checkpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the epoch iterator of a training saved, empty where there was none."""
    state = _section(checkpoint, "extra_state", "train_iterator")
    return state if isinstance(state, Mapping) else {}


def model_options(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Option -> value of the model of a checkpoint, empty where they are not known."""
    options = _section(checkpoint, "cfg", "model")
    if options is None:
        options = checkpoint.get("args")
    if isinstance(options, Namespace):
        options = vars(options)
    return dict(options) if isinstance(options, Mapping) else {}


def task_options(checkpoint: Mapping[str, Any]) -> dict[str, Any] | None:
    """Option -> value of the task of a checkpoint, None where it does not say."""
    cfg = checkpoint.get("cfg")
    options = cfg.get("task") if cfg else checkpoint.get("args")
    if isinstance(options, Namespace):
        options = vars(options)
    return dict(options) if isinstance(options, Mapping) else None


def changed_options(section: Any, changes: Mapping[str, Any]) -> Any:
    """A section of options, a mapping or a namespace, as it is but for *changes*."""
    if isinstance(section, Namespace):
        return Namespace(**{**vars(section), **changes})
    return {**section, **changes}


def same_tensors(checkpoint: Mapping[str, Any]) -> dict[str, str]:
    """Name -> first name of the same tensor, for embeddings that the model shares.

    A state dict lists a shared embedding under every name of it, and the names need
    not share memory in the file; the options of the model say what is shared.
    """
    options = model_options(checkpoint)
    encoder, decoder = "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"
    projection = "decoder.output_projection.weight"
    names: list[str] = []
    if options.get("share_all_embeddings") or options.get("merge_src_tgt_embed"):
        names = [encoder, decoder, projection]
    elif options.get("share_decoder_input_output_embed"):
        names = [decoder, projection]
    present = [name for name in names if name in checkpoint["model"]]
    return {name: present[0] for name in present[1:]}


def sites_of_checkpoint(
    checkpoint: Mapping[str, Any], path: str | os.PathLike, targets: Iterable[str]
) -> dict[str, Tensor]:
    """The weights that *targets* cover, as ``masks.find_sites`` finds them in a model.

    Raises:
        LassError: a target covers nothing, or an output projection that is shared.
    """
    shared = same_tensors(checkpoint)
    found: dict[str, Tensor] = {}
    for target in targets:
        sites = select_sites(weights(checkpoint), [target])
        if not sites:
            raise LassError(
                f"mask target '{target}' covers no weight of {path}; choose other "
                f"targets ({', '.join(TARGETS)})"
            )
        if target == "output-projection" and sites.keys() & shared.keys():
            raise LassError(
                f"the output projection of {path} is the same tensor as an embedding, "
                "so a mask on it would mask the embedding too; use the target "
                "'embeddings', which covers both uses"
            )
        found.update({name: sites[name] for name in sites if name not in shared})
    return found


def _section(checkpoint: Mapping[str, Any], *names: str) -> Any:
    """The value under nested keys, None where one of them is missing."""
    value: Any = checkpoint
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
