"""The sub-networks of a model that is evaluated or translated with."""

import contextlib
import logging
from typing import TYPE_CHECKING, Iterator, Protocol, cast

from torch import nn

from lass_plugin.anatomy.targets import unwrap
from lass_plugin.errors import LassError
from lass_plugin.masks import MaskSet, load_masks
from lass_plugin.methods.lowrank.inference import LowRankParts
from lass_plugin.methods.subnetworks.joint import check_base, masked_weights

if TYPE_CHECKING:
    from lass_plugin.tasks.translation_subnetwork import TranslationSubnetworkTask

logger = logging.getLogger(__name__)


class Parts(Protocol):
    """What the pairs of a model differ in: masks of weights, or low-rank modules."""

    def using(self, key: str) -> contextlib.AbstractContextManager[None]:
        """Compute with the part of *key* inside this block."""

    def bake(self, key: str) -> None:
        """Put the part of *key* into the weights for good."""


class Subnetworks:
    """Switches a model between the sub-networks of its pairs, or leaves it dense.

    Args:
        parts: what the pairs differ in, or None for a model without.
    """

    def __init__(self, model: nn.Module, parts: Parts | None):
        self._model = model
        self._parts = parts
        self._baked: str | None = None

    @classmethod
    def of(cls, model: nn.Module, task: "TranslationSubnetworkTask") -> "Subnetworks":
        """Those of *model*, made when first asked for."""
        inner = unwrap(model)
        if not hasattr(inner, "subnetworks"):
            # nn.Module would register a module; this is none
            object.__setattr__(inner, "subnetworks", cls(inner, parts_of(inner, task)))
        return cast(Subnetworks, inner.subnetworks)

    @classmethod
    def attach(cls, model: nn.Module, parts: Parts) -> None:
        """Validate with the parts that training uses."""
        inner = unwrap(model)
        object.__setattr__(inner, "subnetworks", cls(inner, parts))

    @classmethod
    def forget(cls, model: nn.Module) -> None:
        """Let :meth:`of` choose the masks of *model* anew (not after :meth:`bake`)."""
        inner = unwrap(model)
        if hasattr(inner, "subnetworks"):
            if (baked := cast(Subnetworks, inner.subnetworks))._baked is not None:
                raise baked._already_baked("other masks")
            object.__delattr__(inner, "subnetworks")

    @contextlib.contextmanager
    def using(self, key: str | None) -> Iterator[None]:
        """Compute with the sub-network of *key* inside this block."""
        if self._baked is not None and key != self._baked:
            raise self._already_baked(key)
        if self._parts is None:
            yield
            return
        if key is None:
            raise LassError("a batch mixes pairs; it cannot be put under one mask")
        with self._parts.using(key):
            yield

    @classmethod
    @contextlib.contextmanager
    def all_using(
        cls, models: list[nn.Module], task: "TranslationSubnetworkTask", key: str
    ) -> Iterator[None]:
        """:meth:`using` for every model of an ensemble."""
        with contextlib.ExitStack() as stack:
            for model in models:
                stack.enter_context(cls.of(model, task).using(key))
            yield

    def bake(self, key: str) -> None:
        """Put the sub-network of *key* into the weights for good. Idempotent."""
        if self._baked is not None and key != self._baked:
            raise self._already_baked(key)
        if self._parts is not None:
            self._parts.bake(key)
            self._baked = key
            self._parts = None  # the masks of the other keys are of no more use

    def _already_baked(self, key: str | None) -> LassError:
        return LassError(
            f"the sub-network of {self._baked} has been put into the weights of this "
            f"model; load the checkpoint again for {key}"
        )


def parts_of(model: nn.Module, task: "TranslationSubnetworkTask") -> Parts | None:
    """What the pairs of *model* differ in, None for the dense model.

    Raises:
        LassError: a pair of the task lacks its part, or an option contradicts it.
    """
    low_rank: LowRankParts | None = getattr(model, "low_rank", None)
    if low_rank is None:
        masks = choose_masks(model, task)
        return None if masks is None else masked_weights(model, masks)
    for option in ("inference_masks", "masks"):
        if getattr(task.cfg, option):
            raise LassError(
                f"--{option.replace('_', '-')} has no effect on a model with low-rank "
                "modules; leave it out"
            )
    if task.cfg.dense or getattr(model, "is_dense", False):
        return None
    low_rank.plan.check_pairs(task.pairs)
    return low_rank


def choose_masks(model: nn.Module, task: "TranslationSubnetworkTask") -> MaskSet | None:
    """The masks to evaluate *model* with, or None for dense.

    ``--inference-masks`` come first, then those of the checkpoint, then ``--masks``.

    Raises:
        LassError: a pair of the task has no mask, or the masks belong to other weights.
    """
    cfg = task.cfg
    if cfg.dense:
        return None
    carried: MaskSet | None = getattr(model, "subnetwork_masks", None)
    if cfg.masks and carried is not None and not task.of_checkpoint:
        raise LassError(
            f"--masks {cfg.masks} has no effect, because the checkpoint carries masks; "
            "leave it out, or give --inference-masks to translate with others"
        )
    wanted = [str(pair) for pair in task.pairs]
    if cfg.inference_masks:
        masks = load_masks(cfg.inference_masks)
    elif carried is not None:
        missing = [key for key in wanted if key not in carried]
        if missing:
            raise LassError(
                f"the checkpoint carries no mask of {missing[0]} (it has "
                f"{', '.join(carried)}); give one with --inference-masks, or --dense "
                "to translate without a mask"
            )
        masks = carried
    elif cfg.masks:
        masks = load_masks(cfg.masks)
        if not cfg.allow_other_base and task.cfg.source_lang:
            check_base(model, masks.only(wanted))
    else:
        return None
    logger.info(f"translating under the masks of {', '.join(wanted)}")
    return masks.only(wanted)
