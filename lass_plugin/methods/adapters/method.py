"""Adapters as a method: every key computes with a small layer of its own behind each.

They are trained together with the whole model (He 2023, §4.3; Xie 2021, §4.2), or in
one that is frozen (Bapna 2019, §3.2). The checkpoint has both.
"""

import contextlib
import logging
from collections import defaultdict
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

from fairseq.optim import FairseqOptimizer
from torch import nn

from lass_plugin.anatomy.places import SIDES
from lass_plugin.anatomy.targets import DEFAULT_TARGETS, select_sites, unwrap
from lass_plugin.checkpoints.checkpoint import Checkpoint, changed_options
from lass_plugin.checkpoints.stock import changed_weights
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.errors import LassError, naming_damage
from lass_plugin.languages import Pair
from lass_plugin.masks.fingerprint import Fingerprint, fingerprint, same_weights
from lass_plugin.methods.adapters.modules import (
    all_adapters,
    attach,
    belongs_to,
    is_adapter,
)
from lass_plugin.methods.adapters.options import check_adapters, resumed_from
from lass_plugin.methods.adapters.plan import AdapterPlan
from lass_plugin.methods.export_settings import ExportSettings
from lass_plugin.methods.frozen_linear import refuse_noise, speed_up_frozen
from lass_plugin.methods.keyed_training import KeyedTraining
from lass_plugin.methods.method import Method
from lass_plugin.methods.micro_batch import MicroBatch
from lass_plugin.methods.part_sizes import PartSizes
from lass_plugin.methods.routing import Routing
from lass_plugin.settings import needless

logger = logging.getLogger(__name__)

VERSION = 1


class AdapterMethod(Method):
    """The adapters of a model's keys.

    Args:
        plan: whose they are.
        cfg: the options of a training; None for translation.
        pairs: those that are trained.
    """

    entry = "adapters"
    words = "adapters"
    phase = "adapters"
    in_stock = False
    _made = ("_training", "_base")

    def __init__(self, plan: AdapterPlan, cfg: Any = None, pairs: Sequence[Pair] = ()):
        self.plan = plan
        self._cfg, self._pairs = cfg, list(pairs)
        self._training: KeyedTraining | None = None
        self._base: Fingerprint | None = None

    @property
    def routing(self) -> Routing:
        """What the adapters of the model ask; the model's, which may have got it from
        another instance of the method."""
        return next(all_adapters(self.model))[1].routing

    @property
    def freezes(self) -> bool:
        """Whether nothing but the adapters is trained."""
        return self._cfg is not None and bool(self._cfg.freeze_base)

    # -- set-up ------------------------------------------------------------------

    @classmethod
    def check_options(cls, cfg: Any) -> None:
        check_adapters(cfg)

    @classmethod
    def from_options(
        cls, cfg: Any, pairs: Sequence[Pair], tokens: LanguageTokens
    ) -> "AdapterMethod":
        plan = AdapterPlan.of(pairs, str(cfg.adapter_by), cfg.adapter_bottleneck)
        method = cls(plan, cfg, pairs)
        if (path := resumed_from(cfg)) is not None:
            # else the optimizer's state, which is loaded before the method's, would be
            # of another number of parameters
            begun = Checkpoint.read(path).iterator_state.get("subnetwork") or {}
            if begun.get("frozen", method.freezes) != method.freezes:
                raise method.begun(method.other("frozen"))
        return method

    @classmethod
    def from_state(cls, state: Any, where: str) -> "AdapterMethod":
        what = f"the adapters in {where}"
        with naming_damage(what, where, "the checkpoint is damaged, take another one"):
            if state["version"] != VERSION:
                raise LassError(
                    f"{what} are of version {state['version']}; this release reads "
                    f"version {VERSION}"
                )
            return cls(AdapterPlan.from_dict(state["plan"]))

    def to_state(self) -> dict[str, Any]:
        return {self.entry: {"version": VERSION, "plan": self.plan.to_dict()}}

    def attach(self, model: nn.Module, options: Any, cfg: Any) -> None:
        trains = self._cfg is not None
        before = sum(parameter.numel() for parameter in model.parameters())
        if self.freezes:
            refuse_noise(options, "adapters in a frozen model")
            model.requires_grad_(False)
            speed_up_frozen(model)
        attach(model, self.plan, self._cfg.seed if trains else 0, begins=trains)
        if trains:
            added = sum(p.numel() for p in model.parameters()) - before
            frozen = " in a model that is frozen" if self.freezes else ""
            logger.info(f"{self.plan}: {added:,} parameters beside {before:,}{frozen}")

    def for_pairs(self, pairs: Sequence[Pair]) -> "AdapterMethod":
        self.plan.check_pairs(pairs)
        return self

    # -- training ----------------------------------------------------------------

    @contextlib.contextmanager
    def micro_batch(self, batch: MicroBatch) -> Iterator[None]:
        """Forward and backward with the adapters of the batch's keys."""
        if self._training is None or not self._training.belongs_to(batch.optimizer):
            self._training = self._begin(batch)
        keys = batch.sample.get("language_keys") or [batch.key]
        with self._training.micro_batch(keys, batch.counts):
            yield

    def _begin(self, batch: MicroBatch) -> KeyedTraining:
        parameters: dict[str, nn.Parameter] = {}
        names: dict[tuple[str, str], list[str]] = defaultdict(list)
        for name, parameter in unwrap(batch.model).named_parameters():
            if not is_adapter(name):
                continue
            parameters[name] = parameter
            side = name.partition(".")[0]
            for key in self.plan.keys(side):
                if belongs_to(name, {side: key}):
                    names[side, key].append(name)

        known = {str(pair): pair for pair in self._pairs}

        def names_of(key: str) -> Iterator[str]:
            for place in self.plan.keys_of(known[key]).items():
                yield from names[place]

        using = self.routing.using_keys(known, parameters.values())
        return KeyedTraining(batch.optimizer, list(known), parameters, names_of, using)

    def step(self, optimizer: FairseqOptimizer) -> None:
        assert self._training is not None
        with self._training.update():
            optimizer.step()

    def identity(self) -> dict[str, Any]:
        return {"plan": self.plan.to_dict(), "frozen": self.freezes}

    def other(self, name: str) -> str:
        return {
            "plan": "with other adapters (--lang-pairs, --adapter-…)",
            "frozen": f"with{'out' if self.freezes else ''} --freeze-base",
        }[name]

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        if self.freezes:
            state["base"] = self._fingerprint()
        return state

    def _fingerprint(self) -> Fingerprint:
        """The fingerprint of the frozen weights, taken once."""
        if self._base is None:
            weights = dict(unwrap(self.model).named_parameters())
            self._base = fingerprint(select_sites(weights, DEFAULT_TARGETS))
        return self._base

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        given = self._cfg.finetune_from_model
        super().load_state_dict({**state, "base": self.state_dict().get("base")})
        if not (self.freezes and given and Path(given).is_file()):
            return  # a run that goes on needs its base no more
        other = fingerprint(Checkpoint.read(given).sites(DEFAULT_TARGETS))
        if not same_weights(state["base"], other):
            raise LassError(
                f"this run was begun in another base than {given}; go on with the one "
                "that it was begun in, or choose another --save-dir"
            )

    # -- translation -------------------------------------------------------------

    @contextlib.contextmanager
    def part(self, key: str) -> Iterator[None]:
        pair = Pair.parse(key)
        self.plan.check_pairs([pair])
        with self.routing.using([pair]):
            yield

    def put_in(self, key: str) -> None:
        """Leave the adapters of all others out, and compute with those of *key*.

        They are no part of a matrix: their nonlinearity stays.
        """
        pair = Pair.parse(key)
        self.plan.check_pairs([pair])
        keys = self.plan.keys_of(pair)
        for side, adapters in all_adapters(self.model):
            adapters.keep(keys[side])
        self.routing.choose_for([pair])

    # -- files -------------------------------------------------------------------

    def export(
        self, checkpoint: Checkpoint, settings: ExportSettings
    ) -> tuple[dict[str, Any], str]:
        """A checkpoint of this package with the adapters of one pair."""
        self.refuse_options_of_masks(settings)
        needless(settings, "base", f"on {settings.checkpoint}, which has its own")
        pair, content = settings.pair, checkpoint.content
        self.plan.check_pairs([pair])
        keys = self.plan.keys_of(pair)
        whole = changed_weights(checkpoint, lambda name, first, w: w, settings.half)
        cfg = content.get("cfg")
        if isinstance(cfg, Mapping):
            task = changed_options(cfg["task"], {"lang_pairs": str(pair)})
            cfg = {**cfg, "task": task}
        exported = checkpoint.as_start(
            cfg=cfg,
            model={name: w for name, w in whole.items() if belongs_to(name, keys)},
            task_state={
                **checkpoint.task_state,
                **AdapterMethod(self.plan.only(pair)).to_state(),
            },
        )
        return exported, f"the adapters of {pair}, without those of others"

    def sizes(self, checkpoint: Checkpoint, base: Any) -> PartSizes:
        first = {side: self.plan.keys(side)[0] for side in SIDES}  # all are alike
        parameters = checkpoint.parameters.items()
        own = (t.numel() for name, t in parameters if belongs_to(name, first))
        return PartSizes(of_keys=dict.fromkeys(self.plan.encoder, sum(own)))

    # -- words -------------------------------------------------------------------

    def label(self, where: Any = None, base: Any = None) -> str:
        return str(self.plan)
