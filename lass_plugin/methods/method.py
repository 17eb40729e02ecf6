"""What a method is: it gives every language key of a model a part of its own.

A task holds one method, the model it builds has it as ``model.method``, and both call
the verbs below; nobody asks which method it is. A new method is a class derived from
:class:`Method`, registered with :func:`.registry.register_method`, and, if it has
options of its own, a task of three lines (see :mod:`lass_plugin.tasks`). What it must
define:

    entry, from_state, to_state   how a checkpoint keeps it
    from_options                  how a training begins with it
    part, put_in                  compute with the part of a key; put it in for good
    baked                         the same of stored weights: export

The rest has a default that computes with the part of the batch's key and trains all
weights.
"""

import contextlib
import copy
from pathlib import Path
from typing import Any, ClassVar, Iterator, Mapping, Sequence

from fairseq.data import Dictionary
from fairseq.optim import FairseqOptimizer
from torch import Tensor, nn

from lass_plugin.anatomy.targets import unwrap
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.stock import changed_weights, plain_checkpoint
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.masks import MaskSet
from lass_plugin.methods.export_settings import ExportSettings
from lass_plugin.methods.micro_batch import MicroBatch
from lass_plugin.methods.part_sizes import PartSizes
from lass_plugin.options import check_training
from lass_plugin.settings import needless


class Method:
    """What the language keys of one model have of their own.

    The instance of a training is made of its options; that of a translation of what the
    checkpoint says, one for each checkpoint of an ensemble.
    """

    entry: ClassVar[str] = ""
    """Key in ``task_state`` by which a checkpoint's method is known; "" leaves none."""
    words: ClassVar[str]
    """What its keys have, for messages: "a model with …"."""
    label_kind: ClassVar[str] = ""
    """What :meth:`label` names where that does not say so itself: a word before it."""
    phase: ClassVar[str] = "base"
    """Kind of training, saved with a run."""
    takes_base: ClassVar[bool] = False
    """Whether it stands in another model, given with ``--base``."""
    translates: ClassVar[bool] = True
    """Whether its checkpoints can be translated with as they are."""
    compiles: ClassVar[bool] = False
    """Whether layers compute alike for all keys, so that they can be compiled."""
    in_stock: ClassVar[bool] = True
    """Whether one key's part is a model of stock fairseq, which CTranslate2 takes."""
    masks: MaskSet | None = None
    """Masks of weights or of neurons, where the method has such."""
    carries_masks: bool = False
    """Whether a checkpoint holds them, and does not only name them."""
    symbols: Mapping[str, int] = {}
    """Key -> number of symbols it knows, the first ones; a key that is not here knows
    all."""
    whole_updates: bool = False
    """Whether all batches of an update have to be of one key; the task's options then
    have fairseq's ``update_freq``."""
    stopped: str = ""
    """Why training is to end before its last update; empty while it is not."""

    _made: ClassVar[tuple[str, ...]] = ()
    """Attributes that belong to the model and the optimizer of a training."""
    _model: nn.Module | None = None
    _baked: str | None = None

    # -- set-up ------------------------------------------------------------------

    @classmethod
    def check_options(cls, cfg: Any) -> None:
        """Refuse options of a training that it cannot carry out or would ignore.

        Raises:
            LassError: names the option.
        """
        check_training(cfg, strict=False)

    @classmethod
    def languages_of(cls, cfg: Any, pairs: Sequence[Pair]) -> tuple[str, ...]:
        """Languages in the order of their tokens; empty where the options say."""
        return ()

    @classmethod
    def from_options(
        cls, cfg: Any, pairs: Sequence[Pair], tokens: LanguageTokens
    ) -> "Method":
        """The method of a training that begins, or goes on, with the options *cfg*.

        Raises:
            LassError: a file that an option names is not what it should be.
        """
        return cls()

    def check_dictionary(self, dictionary: Dictionary) -> None:
        """Refuse a dictionary, language tokens included, that it cannot go on from."""

    @classmethod
    def from_state(cls, state: Any, where: str) -> "Method":
        """The method of a checkpoint, for translation.

        Args:
            state: what stands under :attr:`entry`.
            where: the checkpoint, for messages.

        Raises:
            LassError: damaged.
        """
        return cls()

    def to_state(self) -> dict[str, Any]:
        """Entries of ``task_state``: plain values and tensors."""
        return {}

    def attach(self, model: nn.Module, options: Any, cfg: Any) -> None:
        """Make *model*, just built, ready for the weights of a checkpoint.

        What is needed of it later belongs into the model: fairseq reads ``task_state``
        again when it loads one, so that another instance may be bound to it.

        Args:
            options: those that *model* was built with.
            cfg: the task's.

        Raises:
            LassError: the method does not fit the model.
        """

    def bind(self, model: nn.Module) -> "Method":
        """This method, with *model* to compute with from now on, as ``model.method``.

        Raises:
            LassError: a part of the model's method so far is in the weights.
        """
        inner: Any = unwrap(model)
        before: Method | None = getattr(inner, "method", None)
        if before is not None and before._baked is not None:
            raise before._already_baked(None)
        inner.method = self._twin(inner)
        return inner.method

    def _twin(self, model: Any) -> "Method":
        """This method for another model, without what it has made for its own."""
        twin = copy.copy(self)
        twin._model = model
        for name in self._made:
            setattr(twin, name, None)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> "Method":
        """The method of a copy of its model."""
        return self._twin(memo.get(id(self._model)))

    @property
    def freezes(self) -> bool:
        """Whether what a training begins from stands still in it."""
        return False

    @property
    def model(self) -> nn.Module:
        """The model that it is bound to."""
        assert self._model is not None
        return self._model

    def for_pairs(self, pairs: Sequence[Pair]) -> "Method":
        """This method, to translate between *pairs* with.

        Raises:
            LassError: one of them has no part.
        """
        return self

    def at_sparsity(self, sparsity: float | None) -> "Method":
        """This method, to compute with at a sparsity that is chosen at inference.

        Raises:
            LassError: one is given to a method that has no use for it.
        """
        if sparsity is not None:
            raise LassError(
                f"--sparsity has no effect on a model with {self.words}; leave it out"
            )
        return self

    def refuse_masks(self, option: str) -> None:
        """Refuse masks that are given to be translated under in place of the parts."""
        if self.entry:
            raise LassError(
                f"{option} has no effect on a model with {self.words}; leave it out"
            )

    def refuse_dense(self) -> None:
        """Refuse to translate without the parts, where nothing whole would be left."""

    # -- training ----------------------------------------------------------------

    def begin_training(self, task: Any) -> None:
        """A training by *task* begins, or goes on; its model is not built yet."""

    @contextlib.contextmanager
    def micro_batch(self, batch: MicroBatch) -> Iterator[None]:
        """Forward and backward of one micro-batch, with the part of its key."""
        with self.using(batch.key):
            yield

    def step(self, optimizer: FairseqOptimizer) -> None:
        """The optimizer's step, so that nothing moves that must not."""
        optimizer.step()

    def begin_epoch(self, epoch: int) -> None:
        """Training is about to go on with *epoch*, from 1."""

    def check_batches(self, batches: Mapping[str, int]) -> None:
        """Look at how many batches each key has (with :attr:`whole_updates`)."""

    def metrics(self) -> dict[str, float]:
        """What is logged beside the loss."""
        return {}

    def watched(self) -> dict[str, dict[str, float]]:
        """What is logged of each key: key -> name -> value."""
        return {}

    def identity(self) -> dict[str, Any]:
        """What a run must be resumed with, plain values."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """What is saved with a run and checked when it is resumed."""
        return {"phase": self.phase, **self.identity()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the run that *state* is of.

        Raises:
            LassError: it was begun otherwise.
        """
        mine = self.state_dict()
        for name in mine:
            if state.get(name) != mine[name]:
                how = f"as {state.get('phase')} training"
                raise self.begun(how if name == "phase" else self.other(name))

    def begun(self, otherwise: str) -> LassError:
        """What is said of a run that was begun *otherwise*."""
        return LassError(
            f"this run was begun {otherwise}; go on with the same options, or choose "
            "another --save-dir"
        )

    def other(self, name: str) -> str:
        """Say that a run was begun with another value of its identity."""
        return f"with another {name}"

    # -- translation, and validation while training -------------------------------

    @contextlib.contextmanager
    def using(self, key: str | None) -> Iterator[None]:
        """Compute with the part of *key* inside this block.

        Raises:
            LassError: another one has been put into the weights.
        """
        if self._baked is not None:
            if key != self._baked:
                raise self._already_baked(key)
            yield
            return
        if key is None:
            raise LassError(
                "a batch mixes pairs; it cannot be computed with the part of one"
            )
        with self.part(key):
            yield

    def bake(self, key: str) -> None:
        """Put the part of *key* into the weights for good. Idempotent."""
        if self._baked not in (None, key):
            raise self._already_baked(key)
        if self._baked is None:
            self.put_in(key)
            self._baked = key

    def _already_baked(self, key: str | None) -> LassError:
        return LassError(
            f"the sub-network of {self._baked} has been put into the weights of this "
            f"model; load the checkpoint again for {key or 'other masks'}"
        )

    def part(self, key: str) -> contextlib.AbstractContextManager[None]:
        """Compute with the part of *key* inside this block; see :meth:`using`."""
        raise NotImplementedError

    def put_in(self, key: str) -> None:
        """Put the part of *key* into the weights; see :meth:`bake`."""
        raise NotImplementedError

    # -- files -------------------------------------------------------------------

    def export(
        self, checkpoint: Checkpoint, settings: ExportSettings
    ) -> tuple[dict[str, Any], str]:
        """A checkpoint that translates a pair, and what it has.

        It is one of stock fairseq, or of this package where that has no place for what
        the pair has (:attr:`in_stock`).

        Args:
            checkpoint: that this method is of.

        Raises:
            LassError: an option has no effect, or the pair has no part.
        """
        self.refuse_options_of_masks(settings)
        pair = settings.pair
        self.for_pairs([pair])

        def change(name: str, first: str, weight: Tensor) -> Tensor:
            return self.baked(first, weight, str(pair))

        tensors = changed_weights(checkpoint, change, settings.half)
        return plain_checkpoint(checkpoint, pair, tensors), self.words

    def check_in_stock(self, option: str) -> None:
        """Refuse *option*, which makes of a pair a model that others compute with."""
        if not self.in_stock:
            raise LassError(
                f"{option} cannot make a model with {self.words}, which have no place "
                "in a transformer of stock fairseq and CTranslate2; leave it out"
            )

    def refuse_options_of_masks(self, settings: ExportSettings) -> None:
        """Refuse options of an export that only masks have a use for."""
        why = f"on {settings.checkpoint}, which has {self.words} and no masks"
        needless(settings, ("masks", "compact", "multiple"), why)

    def baked(self, name: str, weight: Tensor, key: str) -> Tensor:
        """A stored weight, the part of *key* put in."""
        return weight

    def sizes(self, checkpoint: Checkpoint, base: Path | None) -> PartSizes:
        """What the parts of the keys take.

        Args:
            checkpoint: with the weights that they are parts of.
            base: where the model that it stands in is now, None for where it was.

        Raises:
            LassError: the parts are of another model.
        """
        return PartSizes()

    @classmethod
    def is_parameter(cls, name: str) -> bool:
        """Whether an entry of a state dict is a parameter, not a record of ours."""
        return True

    # -- words -------------------------------------------------------------------

    def label(self, where: Any = None, base: Path | None = None) -> str | None:
        """The parts in words, for a report; None for the dense model.

        Args:
            where: place that masks were given from; None for the checkpoint.
            base: place that a base was given from.
        """
        return self.words if self.entry else None

    def translation_identity(self, key: str) -> dict[str, Any]:
        """What of the part of *key* decides what is translated; plain values."""
        known = {"mask": None, "low_rank": False}
        return {**known, "method": self.entry} if self.entry else known


class Dense(Method):
    """All weights for every key."""

    words = "all weights"
    compiles = True

    @contextlib.contextmanager
    def using(self, key: str | None) -> Iterator[None]:
        yield

    def bake(self, key: str) -> None:
        """All of it is in the weights."""
