"""All pairs of a split as one dataset whose batches hold one pair each."""

import logging
from typing import Any, Callable, Iterable, Mapping, Sequence

import numpy as np
from fairseq.data import FairseqDataset, iterators

from lass_plugin.data import batching, sampling
from lass_plugin.data.updates import shuffle_updates, whole_updates
from lass_plugin.data.whole_batches import WholeBatches, whole_batches
from lass_plugin.errors import LassError

logger = logging.getLogger(__name__)

FEW_BATCHES = 100
"""A pair with fewer batches, seen twice or more an epoch, is cut anew for each pass."""


class Batch(dict[str, Any]):
    """A batch that is made already, on its way to the collater."""


class PairsDataset(FairseqDataset):
    """Sentences of several language keys (here: pairs), numbered key after key.

    A batch is a dictionary as the data of the pair make it, with the pair
    under ``language_key``; if the batch mixes pairs that is None, and
    ``language_keys`` lists the pair of each sentence.

    Args:
        parts: pair (``de-en``) -> its data; the order numbers the sentences.
        split: name for messages.
        method, temperature: how often pairs are drawn, see :mod:`.sampling`; for
            training only.
        mixed: batches of any pairs together instead of one pair each.
        raising: the options that let longer sentences in, for messages.
    """

    def __init__(
        self,
        parts: Mapping[str, Any],
        split: str,
        method: str = "concat",
        temperature: float = 1.0,
        mixed: bool = False,
        raising: str = "--max-source-positions and --max-target-positions",
    ):
        super().__init__()
        self.raising = raising
        self.parts = dict(parts)
        self.split = split
        self.method = method
        self.temperature = temperature
        self.mixed = mixed
        self._keys = list(self.parts)
        self._whole: dict[str, WholeBatches | None] = {}
        counts = [len(part) for part in self.parts.values()]
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def locate(self, index: int) -> tuple[str, int]:
        """The pair of a sentence and its number within the pair."""
        part = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self._keys[part], int(index - self._starts[part])

    def start(self, key: str) -> int:
        """The number of the first sentence of a pair."""
        return int(self._starts[self._keys.index(key)])

    def __getitem__(self, index: int) -> dict[str, Any]:
        key, local = self.locate(index)
        item = self.parts[key][local]
        item["id"] = int(index)
        return item

    def __getitems__(self, indices: Sequence[int]) -> Any:
        """What :meth:`collater` makes a batch of (PyTorch's loader asks for it)."""
        if not len(indices):  # of a process that has fewer batches than others
            return []
        numbers = np.asarray(indices, dtype=np.int64)
        key, _ = self.locate(int(numbers[0]))
        local = numbers - self.start(key)
        of_one = not self.mixed and 0 <= local.min() <= local.max() < len(
            self.parts[key]
        )
        whole = self._whole_batches(key) if of_one else None
        if whole is None:
            return [self[int(number)] for number in numbers]
        return Batch({**whole.batch(local, numbers), "language_key": key})

    def batch(self, indices: Iterable[Any]) -> dict[str, Any]:
        """The sentences *indices* as a padded batch."""
        return self.collater(self.__getitems__(list(indices)))

    def _whole_batches(self, key: str) -> WholeBatches | None:
        if key not in self._whole:
            self._whole[key] = whole_batches(self.parts[key])
        return self._whole[key]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_whole": {}}  # mapped files are mapped again

    def collater(self, samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Merge sentences into a padded batch of one pair."""
        if isinstance(samples, Batch):
            return dict(samples)
        if not samples:
            return {}
        keys = {self.locate(sample["id"])[0] for sample in samples}
        if len(keys) > 1 and not self.mixed:
            raise RuntimeError(f"a batch mixes the pairs {sorted(keys)}")
        batch = self.parts[next(iter(keys))].collater(list(samples))
        batch["language_key"] = None if self.mixed else next(iter(keys))
        if self.mixed:
            numbers = batch["id"].tolist()  # sorted by length since
            batch["language_keys"] = [self.locate(number)[0] for number in numbers]
        return batch

    def size(self, index: int) -> tuple[int, int]:
        key, local = self.locate(index)
        return self.parts[key].size(local)

    def num_tokens(self, index: int) -> int:
        key, local = self.locate(index)
        return self.parts[key].num_tokens(local)

    @property
    def sizes(self) -> np.ndarray:
        """``(n, 2)`` tokens of source and target, ``(n,)`` without targets."""
        return np.concatenate([part.sizes for part in self.parts.values()])

    def sizes_of(self, numbers: np.ndarray) -> np.ndarray:
        """The :attr:`sizes` of sentences of one pair, without those of all others."""
        key, _ = self.locate(int(numbers[0]))
        sizes: np.ndarray = self.parts[key].sizes
        return sizes[numbers - self.start(key)]

    def set_epoch(self, epoch: int, **unused: Any) -> None:
        super().set_epoch(epoch)
        for part in self.parts.values():
            part.set_epoch(epoch)

    @property
    def supports_prefetch(self) -> bool:
        return False

    @property
    def src(self) -> FairseqDataset:
        """Source sentences, for a dataset of one pair (fairseq-generate reads it)."""
        return next(iter(self.parts.values())).src

    @property
    def tgt(self) -> FairseqDataset | None:
        return next(iter(self.parts.values())).tgt

    def batches(
        self,
        epoch: int = 1,
        *,
        seed: int = 1,
        training: bool = False,
        max_tokens: int | None = None,
        max_sentences: int | None = None,
        multiple: int = 1,
        limits: Any = None,
        drop_too_long: bool = False,
        update_size: int = 1,
        in_turn: bool = False,
    ) -> list[np.ndarray]:
        """The batches of an epoch; in training drawn by the sampling method.

        The same *seed* and *epoch* give the same batches. Outside training every
        sentence is in exactly one batch.

        Args:
            update_size: the batches of a pair come in multiples of this (training).
            in_turn: a batch of each pair, then the next of each (not in training).
        """
        allowed = {
            key: np.flatnonzero(self._within_limits(key, limits, drop_too_long))
            for key in self._keys
        }
        present = {key: local for key, local in allowed.items() if len(local)}
        if not present:
            return []
        times = np.ones(len(present))
        if training:
            counts = [len(local) for local in present.values()]
            times = sampling.passes(counts, self.method, self.temperature)
        draws = list(zip(present.items(), times.tolist(), strict=True))
        options = (max_tokens, max_sentences, multiple)
        if self.mixed:
            rng = np.random.default_rng([seed, epoch, 0])
            chosen = [
                local[sampling.draw(len(local), share, rng)] + self.start(key)
                for (key, local), share in draws
            ]
            numbers = np.concatenate(chosen)
            return batching.make_batches(self.sizes[numbers], numbers, *options, rng)
        result: list[np.ndarray] = []
        places: list[int] = []
        for (key, local), share in draws:
            sizes, numbers = self.parts[key].sizes[local], local + self.start(key)
            if not training:
                result += batching.make_batches(sizes, numbers, *options)
                places += range(len(result) - len(places))
                continue
            rng = np.random.default_rng([seed, epoch, self._keys.index(key)])
            own = batching.make_batches(sizes, numbers, *options, rng)
            if share >= 2.0 and 1 < len(own) < FEW_BATCHES:
                drawn = _passes(sizes, numbers, share, options, rng)
            else:
                drawn = [own[n] for n in sampling.draw(len(own), share, rng)]
            if update_size > 1:
                drawn = whole_updates(drawn, update_size, rng)
            result += drawn
        if in_turn:
            return [result[n] for n in np.argsort(places, kind="stable")]
        return result

    def _within_limits(self, key: str, limits: Any, drop_too_long: bool) -> np.ndarray:
        """``(sentences,)`` boolean: those of the pair that the model can take."""
        sizes = self.parts[key].sizes
        within = batching.fits(sizes, limits)
        lost = len(within) - int(np.count_nonzero(within))
        none_left = drop_too_long if lost else len(self.parts) > 1
        if lost == len(within) and none_left:
            why = f"all {lost} are longer than {limits}" if lost else "none at all"
            raise LassError(
                f"the {self.split} data of {key} has no sentence for the model "
                f"({why}); leave {key} out, or give it sentences that fit"
            )
        if lost and not drop_too_long:
            first = int(np.flatnonzero(~within)[0])
            sides = " (source, target)" if sizes.ndim == 2 else ""
            raise LassError(
                f"sentence {first + 1} of the {self.split} data of {key} has "
                f"{sizes[first].tolist()} tokens{sides} with limits {limits}; raise "
                f"{self.raising}, or leave such sentences ({lost}) out with "
                "--skip-invalid-size-inputs-valid-test"
            )
        if lost:
            logger.warning(
                f"{self.split} {key}: {lost} of {len(within)} sentences are longer "
                f"than {limits} tokens and are left out"
            )
        return within


def _passes(
    sizes: np.ndarray,
    numbers: np.ndarray,
    times: float,
    options: tuple[int | None, int | None, int],
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Batches of a small pair that is gone through *times* times, at least once.

    With few batches a pass, the last and emptier one of every pass would count. So
    each pass is cut anew into full batches that go over some sentences twice, and there
    are fewer passes to make up for it.
    """
    result: list[np.ndarray] = []
    left = times * len(numbers)
    while left > 0:
        own = batching.make_batches(sizes, numbers, *options, rng, full=True)
        share = left / sum(len(batch) for batch in own)
        if result and share < 1.0:
            own = [own[number] for number in sampling.draw(len(own), share, rng)]
            result.extend(own)
            break
        result.extend(own)
        left -= sum(len(batch) for batch in own)
    return result


class PairsIterator(iterators.EpochBatchIterator):
    """fairseq's epoch iterator, with the state of a search among its own.

    What an iterator returns as its state is saved with the checkpoint and given back
    on every rank when training resumes; it is fairseq's only such place that is not
    tied to the model or to one optimizer.

    Args:
        companion: object with ``state_dict()`` and ``load_state_dict(state)``.
        begun_with: what else a run must be resumed with, name -> plain value.
        update_size: epoch -> how many consecutive batches, over all ranks, make up an
            update and are not to be torn apart when the batches are shuffled.
    """

    _frozen_batches: Any

    def __init__(
        self,
        *args: Any,
        companion: Any = None,
        begun_with: Mapping[str, Any] | None = None,
        update_size: Callable[[int], int] = lambda epoch: 1,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self._companion = companion
        self._begun_with = begun_with
        self._update_size = update_size

    def ordered_batches(
        self, epoch: int, fix_batches_to_gpus: bool, shuffle: bool
    ) -> list[np.ndarray]:
        """The batches of this rank, in the order of training."""
        size = self._update_size(epoch)
        if size == 1 or not shuffle:
            return super().ordered_batches(epoch, fix_batches_to_gpus, shuffle)
        frozen = self.frozen_batches
        rng = np.random.default_rng([self.seed, epoch])
        self._frozen_batches = tuple(shuffle_updates(frozen, size, rng))
        try:
            return super().ordered_batches(epoch, fix_batches_to_gpus, False)
        finally:
            self._frozen_batches = frozen

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        if self._companion is not None:
            state["subnetwork"] = self._companion.state_dict()
        if self._begun_with is not None:
            state["begun_with"] = {**self._data(), **self._begun_with}
        return state

    def _data(self) -> dict[str, Any]:
        counts = {key: len(part) for key, part in self.dataset.parts.items()}
        return {"language keys": list(counts), "sentences": counts}

    def _check_begun_with(self, state: Mapping[str, Any]) -> None:
        """Refuse to go on with other data than those of *state*, and other models."""
        stated = state.get("begun_with", {})
        given = {**self._data(), **(self._begun_with or {})}
        if not state.get("iterations_in_epoch"):
            del given["sentences"]  # the next shard has its own
        for name, mine in given.items():
            if (theirs := stated.get(name, mine)) != mine:
                if isinstance(mine, dict) and isinstance(theirs, dict):
                    other = [k for k in mine if theirs.get(k) != mine[k]]
                    mine, theirs = ({k: d[k] for k in other} for d in (mine, theirs))
                raise LassError(
                    f"this run was begun with other {name} ({_listed(theirs)}) than it "
                    f"has now ({_listed(mine)}); go on with the same, choose another "
                    "--save-dir, or add --reset-dataloader to begin an epoch of these"
                )

    def keep_companion(self, state: Mapping[str, Any]) -> None:
        """Go on with the search, or whatever it is, of a run whose data begin anew."""
        if self._companion is not None and "subnetwork" in state:
            self._companion.load_state_dict(state["subnetwork"])

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict["epoch"] != self.epoch:
            self._frozen_batches = None  # those drawn so far are of another epoch
        # first, because it says what is wrong when the run is another one, whose data
        # need not fit the place where this one stopped
        self.keep_companion(state_dict)
        self._check_begun_with(state_dict)
        super().load_state_dict(state_dict)


def _listed(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)
