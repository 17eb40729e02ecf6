"""Gates as a method: every key computes with the components that its gates keep.

Three kinds of training: gates that do not move, made from importance (gradient-based
pruning, §4.1); gates that are learned (§4.2); gates for any sparsity, of either kind
(§6.1). A key without gates of its own has the shared ones.
"""

import contextlib
import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fairseq.optim import FairseqOptimizer
from torch import Tensor, nn

from lass_plugin.anatomy.targets import unwrap
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.stock import changed_weights, plain_checkpoint
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.errors import LassError, naming_damage
from lass_plugin.fairseq_fixes.missing_start import start_of
from lass_plugin.languages import Pair
from lass_plugin.methods.export_settings import ExportSettings
from lass_plugin.methods.gates import learned
from lass_plugin.methods.gates.beginning import penalty_of, random_alpha
from lass_plugin.methods.gates.dynamic import draw_size
from lass_plugin.methods.gates.frozen import (
    FrozenTraining,
    owned_by,
    owned_parameter_counts,
)
from lass_plugin.methods.gates.gating import Gating, find_components, without_ones
from lass_plugin.methods.gates.learned import GateParameters, LearnedTraining
from lass_plugin.methods.gates.options import LEARNING, check_gates, kinds_of
from lass_plugin.methods.gates.sets import (
    DYNAMIC,
    FIXED,
    SHARED,
    GateSets,
    digest_of_numbers,
    from_state,
    load_gates,
)
from lass_plugin.methods.method import Method
from lass_plugin.methods.micro_batch import MicroBatch
from lass_plugin.methods.part_sizes import PartSizes
from lass_plugin.records.fields import filled
from lass_plugin.settings import needless

logger = logging.getLogger(__name__)

VERSION = 1
VALIDATES = 0.5
"""Sparsity of ``--gates-sparsity`` where it is not given."""


class Gates(Method):
    """The gates of a model's keys.

    Args:
        sets: None for a training that is to begin with gates at random.
        learns: they are parameters of the model.
        cfg: the options of a training; None for translation.
        keys: those that are trained.
        rate: see :class:`.GateParameters`.
    """

    entry = "gates"
    words = "gates"
    phase = "gates"
    _made = ("_frozen", "_learning", "_ready")

    def __init__(
        self,
        sets: GateSets | None,
        learns: bool = False,
        cfg: Any = None,
        keys: Sequence[str] = (),
        rate: float = 1.0,
    ):
        self._sets, self._learns, self._cfg = sets, learns, cfg
        self._keys, self._rate = list(keys), rate
        self._sparsity: float | None = None
        self._frozen: FrozenTraining | None = None
        self._learning: LearnedTraining | None = None
        self._ready: dict[Any, dict[str, Tensor]] | None = None

    @property
    def sets(self) -> GateSets:
        """The gates, as they are now where they are learned."""
        assert self._sets is not None
        parameters = self._parameters
        if parameters is None:
            return self._sets
        rows = {k: parameters.rows(k, row) for k, row in self._sets.rows.items()}
        return replace(self._sets, rows=rows)

    @property
    def _parameters(self) -> GateParameters | None:
        return getattr(self._model, learned.NAME, None) if self._learns else None

    @property
    def _gating(self) -> Gating:
        model: Any = self.model
        found: Gating = model.gating
        return found

    # -- set-up ------------------------------------------------------------------

    @classmethod
    def check_options(cls, cfg: Any) -> None:
        check_gates(cfg)

    @classmethod
    def from_options(
        cls, cfg: Any, pairs: Sequence[Pair], tokens: LanguageTokens
    ) -> "Gates":
        """The method of a training of *pairs*, or of languages.

        Raises:
            LassError: the gates are damaged, lack a key, or are of another model than
                that which training begins from.
        """
        keys = list(map(str, pairs))
        begins = cfg.finetune_from_model
        where = (cfg.restore_file, begins, cfg.save_dir or "", cfg.continue_once)
        start = start_of(*where)
        read = None if start is None else Checkpoint.read(start)
        if read is not None and start == begins and cls.entry in read.task_state:
            cls.from_state(read.task_state[cls.entry], str(start)).check_begun(cfg)
        if not cfg.gates:
            return cls(None, True, cfg, keys, cfg.gates_rate)
        sets = load_gates(cfg.gates)
        for key in keys:
            sets.serves(key)
        if cfg.gates_learn and sets.kind == FIXED:
            raise LassError(
                f"the gates in {cfg.gates} are 0 or 1 and do not learn; make some with "
                "'lass gates select --dynamic', or leave --gates or --gates-learn out"
            )
        if sets.kind == DYNAMIC:
            sparsity = VALIDATES if cfg.gates_sparsity is None else cfg.gates_sparsity
            sets.size(sparsity, "--gates-sparsity")
        elif cfg.gates_sparsity is not None:
            raise LassError(
                f"--gates-sparsity has no effect on gates that are {sets.kind}; leave "
                "it out"
            )
        if read is not None:
            # weights that have been trained under gates are another base's by now
            if start == begins or cls.entry not in read.task_state:
                sets.check_base(read.weights, str(start))
        return cls(sets, bool(cfg.gates_learn), cfg, keys, cfg.gates_rate)

    def check_begun(self, cfg: Any) -> None:
        """Refuse a training by *cfg* that would lose or misread these gates.

        Raises:
            LassError: they do not learn and new ones would; or at another rate.
        """
        begun = cfg.finetune_from_model
        if not self._learns and not cfg.gates:
            raise LassError(
                f"{begun} is a model with gates that do not learn, in whose place new "
                "ones would begin open; give its gates with --gates, or what 'lass "
                "gates export' makes of it"
            )
        if self._learns and cfg.gates_learn and self._rate != cfg.gates_rate:
            raise LassError(
                f"{begun} learned its gates at --gates-rate {self._rate:g}, by which "
                f"they are divided in it, and this training has {cfg.gates_rate:g}; "
                "give that one"
            )

    @classmethod
    def from_state(cls, state: Any, where: str) -> "Gates":
        what, advice = f"the gates in {where}", "take another checkpoint"
        with naming_damage(what, where, advice):
            if state["version"] != VERSION:
                raise LassError(
                    f"{what} are of version {state['version']}; this release reads "
                    f"version {VERSION}"
                )
            sets = from_state(state["sets"])
            if type(state["learns"]) is not bool:
                raise ValueError("it does not say whether they are learned")
            rate = filled(float, state["rate"], "rate")
            return cls(sets, state["learns"], rate=rate)

    def to_state(self) -> dict[str, Any]:
        if self._sets is None:
            return {}
        state = {"version": VERSION, "learns": self._learns, "rate": self._rate}
        return {self.entry: {**state, "sets": self.sets.to_state()}}

    def attach(self, model: nn.Module, options: Any, cfg: Any) -> None:
        inner: Any = unwrap(model)
        if self._sets is None:
            components = find_components(model, kinds_of(self._cfg))
            keys = [SHARED] if self._cfg.gates_shared else self._keys
            parameters = dict(inner.named_parameters())
            self._sets = random_alpha(components, keys, parameters, self._cfg)
        inner.gating = Gating(model, self._sets.components)
        if self._learns:
            learning = GateParameters(self._sets, self._rate, self._cfg is None)
            inner.add_module(learned.NAME, learning)
        if self._cfg is not None:
            given = self._cfg.gates_sparsity
            if self._sets.kind == DYNAMIC:
                self._sparsity = VALIDATES if given is None else given
            logger.info(f"gates ({self._sets.kind}) of {', '.join(self._sets.keys)}")

    def at_sparsity(self, sparsity: float | None) -> "Gates":
        assert self._sets is not None
        if sparsity is not None:
            self._sets.size(sparsity)
        self._sparsity = sparsity
        return self

    def for_pairs(self, pairs: Sequence[Pair]) -> "Gates":
        assert self._sets is not None
        for pair in map(str, pairs):
            self._sets.serves(pair)
        self._sets.size(self._sparsity)
        return self

    # -- training ----------------------------------------------------------------

    @contextlib.contextmanager
    def micro_batch(self, batch: MicroBatch) -> Iterator[None]:
        """Forward and backward under the gates of the batch's key."""
        assert self._sets is not None
        sets, key = self._sets, self._sets.serves(batch.key)
        size = draw_size(sets.grid) if sets.kind == DYNAMIC else None
        if not self._learns:
            if self._frozen is None or not self._frozen.belongs_to(batch.optimizer):
                self._frozen = self._freeze(batch)
            self._frozen.add(_label(key, size), batch.counts)
            gates = self._prepared(key, size)
        else:
            if self._learning is None or not self._learning.belongs_to(batch.optimizer):
                penalty = penalty_of(self._cfg, sets)
                alone = self._cfg.gates_alpha_updates
                self._learning = LearnedTraining(
                    batch.model, sets, penalty, alone, batch.optimizer
                )
            parameters = self._parameters
            assert parameters is not None
            arguments = parameters.arguments(key, sets.rows[key], size)
            gates = sets.components.split(sets.gate.sample(arguments.float()))
        with self._gating.applied(gates):
            yield

    def _freeze(self, batch: MicroBatch) -> FrozenTraining:
        sets = self.sets
        sizes = sets.grid[1:] if sets.kind == DYNAMIC else (None,)
        keeps = {
            _label(key, size): sets.components.joined(_values(sets, key, size)) != 0
            for key in sets.keys
            for size in sizes
        }
        return FrozenTraining(batch.model, sets.components, keeps, batch.optimizer)

    def step(self, optimizer: FairseqOptimizer) -> None:
        update: contextlib.AbstractContextManager[None]
        if self._learns:
            assert self._learning is not None
            update = self._learning.update()
        else:
            assert self._frozen is not None
            update = self._frozen.update()
        with update:
            optimizer.step()

    def watched(self) -> dict[str, dict[str, float]]:
        """Sparsity of each key: that of its gates at inference."""
        if self._sets is None:
            return {}
        sets, found = self.sets, {}
        for key in sets.keys:
            values = sets.values(key, self._sparsity)
            found[key] = {"sparsity": sets.components.sparsity(values)}
        return found

    def identity(self) -> dict[str, Any]:
        assert self._sets is not None
        options = {name: str(getattr(self._cfg, name)) for name in LEARNING}
        # what learning begins with at random follows from the options
        made = "" if not self._cfg.gates else _digest(self._sets)
        return {"gates": made, "options": options}

    def other(self, name: str) -> str:
        if name == "gates":
            return "with other gates (--gates)"
        return "with other options of gates (--gates-…)"

    # -- translation -------------------------------------------------------------

    @contextlib.contextmanager
    def part(self, key: str) -> Iterator[None]:
        sets = self.sets
        size = sets.size(self._sparsity)
        with self._gating.applied(self._prepared(sets.serves(key), size)):
            yield

    def _prepared(self, key: str, size: float | None) -> dict[str, Tensor]:
        """Gates of *key* on the model's device, without sites that are all one."""
        if self._learns:  # they move
            return self._on_device(_values(self.sets, key, size))
        if self._ready is None:
            self._ready = {}
        device = next(self.model.parameters()).device
        place = (key, size, device)
        if place not in self._ready:
            self._ready[place] = self._on_device(_values(self.sets, key, size))
        return self._ready[place]

    def _on_device(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        device = next(self.model.parameters()).device
        return {s: gate.to(device) for s, gate in without_ones(values).items()}

    def put_in(self, key: str) -> None:
        """Fold the gates of *key* into the weights, fractions too."""
        self._gating.put_in(self.sets.values(key, self._sparsity))

    # -- files -------------------------------------------------------------------

    def export(
        self, checkpoint: Checkpoint, settings: ExportSettings
    ) -> tuple[dict[str, Any], str]:
        needless(settings, ("masks",), f"on {settings.checkpoint}, which has gates")
        self.for_pairs([settings.pair])
        gates = self.sets.values(str(settings.pair), self._sparsity)

        def change(name: str, first: str, weight: Tensor) -> Tensor:
            return _folded(first, weight, gates)

        tensors = changed_weights(checkpoint, change, settings.half)
        plain = {n: t for n, t in tensors.items() if self.is_parameter(n)}
        sparsity = self.sets.components.sparsity(gates)
        what = f"gates folded in, {sparsity:.1%} of heads and hidden units at zero"
        return plain_checkpoint(checkpoint, settings.pair, plain), what

    def baked(self, name: str, weight: Tensor, key: str) -> Tensor:
        return _folded(name, weight, self.sets.values(key, self._sparsity))

    def sizes(self, checkpoint: Checkpoint, base: Path | None) -> PartSizes:
        sets, tensors = self.sets, checkpoint.parameters
        counts = owned_parameter_counts(sets.components, tensors)
        total = sum(t.numel() for n, t in tensors.items() if self.is_parameter(n))
        kept = {}
        for key in self._keys or sets.keys:
            gates = sets.values(key, self._sparsity)
            closed = sets.components.joined(gates) == 0
            kept[key] = total - round(float(counts[closed].sum()))
        numbers = sets.to_state()["numbers"]
        stored = sum(row.numel() * row.element_size() for row in numbers.values())
        return PartSizes(round(float(counts.sum())), kept, stored)

    @classmethod
    def is_parameter(cls, name: str) -> bool:
        return not name.startswith(f"{learned.NAME}.")

    # -- words -------------------------------------------------------------------

    def label(self, where: Any = None, base: Path | None = None) -> str:
        assert self._sets is not None
        at = "" if self._sparsity is None else f", sparsity {self._sparsity:g}"
        return f"gates ({self._sets.kind}{at}; sha256 {_digest(self.sets)[:12]})"

    def translation_identity(self, key: str) -> dict[str, Any]:
        values = self.sets.values(key, self._sparsity)
        row = self.sets.components.joined(values).numpy().tobytes()
        gates = hashlib.sha256(row).hexdigest()
        return {**super().translation_identity(key), "gates": gates}


def _label(key: str, size: float | None) -> str:
    return key if size is None else f"{key}@{size:g}"


def _values(sets: GateSets, key: str, size: float | None) -> dict[str, Tensor]:
    return sets.values(key, None if size is None else 1.0 - size)


def _digest(sets: GateSets) -> str:
    return digest_of_numbers(sets.to_state()["numbers"])


def _folded(name: str, weight: Tensor, gates: Mapping[str, Tensor]) -> Tensor:
    """A stored weight of a head or a unit with its gates folded in."""
    for site, gate in gates.items():
        owned, axis = owned_by(site)[-1]
        if owned == name and bool((gate != 1).any()):
            factor = gate.repeat_interleave(weight.shape[axis] // len(gate))
            return (weight.float() * factor).to(weight.dtype)
    return weight
