"""The task ``translation_subnetwork``: base training, joint training, translation.

It is also what the tasks of other methods derive from: such a task has options of its
own and names its method in :attr:`TranslationSubnetworkTask.trains`.
"""

import contextlib
import logging
from pathlib import Path
from typing import Any, ClassVar, Mapping, Sequence

import torch
from fairseq import utils
from fairseq.tasks import register_task

from lass_plugin import options
from lass_plugin.data.data_folder import (
    first_folder,
    subword_model_of,
    text_stated,
)
from lass_plugin.data.dictionaries import joint_dictionary
from lass_plugin.data.language_tokens import (
    LanguageTokens,
    forced_prefix,
    read_languages,
)
from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes import prepare_fairseq
from lass_plugin.fairseq_fixes.failing_options import check_run
from lass_plugin.languages import Pair
from lass_plugin.methods.method import Dense, Method
from lass_plugin.methods.registry import method_of, translating_method
from lass_plugin.methods.subnetworks.extension import choosing_from, read_symbols
from lass_plugin.methods.subnetworks.method import Subnetworks
from lass_plugin.options import TranslationSubnetworkConfig
from lass_plugin.tasks.pairs_task import PairsTask

logger = logging.getLogger(__name__)

prepare_fairseq()


@register_task("translation_subnetwork", dataclass=TranslationSubnetworkConfig)
class TranslationSubnetworkTask(PairsTask):
    """Multilingual translation where every pair may have its own part of the model.

    Without ``--masks`` this trains the base; with them it trains jointly, every pair
    its own sub-network only; with ``--source-lang`` and ``--target-lang`` it translates
    with what the checkpoint carries for the pair.
    """

    trains: ClassVar[type[Method]] = Subnetworks

    def __init__(self, cfg: TranslationSubnetworkConfig, *more: Any):
        super().__init__(cfg, *more)
        self.symbols: Mapping[str, int] = {}
        """Pair -> number of symbols it knows; a pair that is not here knows all."""
        self._of_checkpoint = False
        """Whether the options are those that a checkpoint was trained with."""
        self.bare = False
        """Whether models are built without a part of it, which is put on later."""

    # -- set-up ------------------------------------------------------------------

    @classmethod
    def setup_task(cls, cfg: Any, **kwargs: Any) -> "TranslationSubnetworkTask":
        if not cfg.data:
            raise LassError("give the folder of binarized data as first argument")
        folder = first_folder(cfg.data)
        of_checkpoint = bool(kwargs.get("from_checkpoint"))
        if not of_checkpoint:
            options.check_not_empty(cfg)
        pairs = options.directions(cfg)
        trains = not (of_checkpoint or cfg.source_lang)
        if not of_checkpoint:
            check_run(vars(cfg).get("_parent"), trains)
        if trains:
            cls.trains.check_options(cfg)
        elif not of_checkpoint:  # whose options are those of its training
            options.check_translation(cfg)
        languages = cls.trains.languages_of(cfg, pairs) if trains else ()
        if not languages:
            languages = read_languages(cfg.langs, cfg.lang_dict, str(folder), pairs)
        tokens = LanguageTokens(
            languages, cfg.encoder_langtok, cfg.decoder_langtok, str(cfg.lang_tok_style)
        )
        tokens.check_pairs(pairs)
        folders = [folder, *map(Path, utils.split_paths(cfg.data)[1:])]
        source = joint_dictionary(folders, cfg.source_dict, pairs, "source")
        target = joint_dictionary(folders, cfg.target_dict, pairs, "target")
        tokens.add_to(source)
        tokens.add_to(target)
        if source == target:
            target = source
        logger.info(f"dictionary: {len(source)} types; languages: {languages}")
        task = cls(cfg, pairs, tokens, source, target)
        task._of_checkpoint = of_checkpoint
        one = not trains or cfg.allow_other_dictionary  # translating reads the first
        task.subwords = subword_model_of(folders[:1] if one else folders)
        task.text = text_stated(folder)
        if trains:
            task._begin_training(pairs)
        return task

    # -- training ----------------------------------------------------------------

    def _begin_training(self, keys: Sequence[Any]) -> None:
        super()._begin_training(keys)
        self.symbols = dict(self.method.symbols)

    def train_step(self, *args: Any, **kwargs: Any) -> tuple:
        if self.cfg.source_lang:
            raise LassError(
                "--source-lang and --target-lang are for translation; give "
                f"--lang-pairs {self.pairs[0]} for training"
            )
        return super().train_step(*args, **kwargs)

    # -- checkpoints -------------------------------------------------------------

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take method and language tokens from a checkpoint (translation)."""
        if "language_tokens" in state_dict:
            self._adopt_tokens(LanguageTokens.from_dict(state_dict["language_tokens"]))
            self._check_checkpoint(state_dict)
        self._trains = False
        self.symbols = read_symbols(state_dict, "the checkpoint")
        carried = method_of(state_dict, "the checkpoint")
        self.method = carried.at_sparsity(self.cfg.sparsity)
        if self.cfg.base and not self.method.takes_base:
            raise LassError(
                "--base has no effect, because the checkpoint has no low-rank modules "
                "or other parts that stand in one; leave it out"
            )

    # -- translation -------------------------------------------------------------

    def _method_to_use(self) -> Method:
        if self.bare:
            return Dense()
        return translating_method(
            self.method, self.cfg, self.pairs, self._of_checkpoint
        )

    def build_generator(self, models: list, args: Any, *more: Any, **kwargs: Any):
        """A generator; the mask of the one pair to translate is multiplied in."""
        if self.cfg.source_lang:
            for model in models:
                self.method_of(model).bake(str(self.pairs[0]))
        extra = dict(kwargs.pop("extra_gen_cls_kwargs", None) or {})
        if self.tokens.decoder and not self.cfg.keep_inference_langtok:
            extra["symbols_to_strip_from_output"] = {
                self.tokens.decoder_token(pair, self.target_dictionary)
                for pair in self.pairs
            } | set(extra.get("symbols_to_strip_from_output") or ())
        return super().build_generator(
            models, args, *more, extra_gen_cls_kwargs=extra, **kwargs
        )

    def inference_step(
        self,
        generator: Any,
        models: list,
        sample: dict[str, Any],
        prefix_tokens: torch.Tensor | None = None,
        constraints: Any = None,
    ) -> list:
        """Translate one batch, its target language token as forced prefix."""
        # fairseq-interactive hands on the tokens alone; it translates one pair
        key = sample.get("language_key", str(self.pairs[0]))
        token = self.tokens.decoder_token(Pair.parse(key), self.target_dictionary)
        if token is not None:
            source = sample["net_input"]["src_tokens"]
            prefix_tokens = forced_prefix(source, token, prefix_tokens)
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.no_grad())
            for model in models:
                stack.enter_context(self.method_of(model).using(key))
            stack.enter_context(choosing_from(models, self.symbols.get(key)))
            return generator.generate(
                models, sample, prefix_tokens=prefix_tokens, constraints=constraints
            )
