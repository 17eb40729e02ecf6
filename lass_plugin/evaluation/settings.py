"""Options that commands share: systems, how to translate and score."""

from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lass_plugin.errors import LassError
from lass_plugin.methods.export_settings import QUANTIZATIONS
from lass_plugin.places.settings import TranslatingSettings
from lass_plugin.records.versions import versions_of
from lass_plugin.schedules import check_ratio
from lass_plugin.settings import (
    Settings,
    count,
    including,
    needless,
    option,
    switch,
)

if TYPE_CHECKING:
    import torch

    from lass_plugin.evaluation.choice import Choice
    from lass_plugin.evaluation.systems import System

CTRANSLATE2 = "ctranslate2"
ENGINES = ("fairseq", CTRANSLATE2)
SUBWORDS = ("auto", "sentencepiece", "subword_nmt", "none")
"""How tokens become text again; ``auto`` looks at the data folder."""


@dataclass(frozen=True, kw_only=True)
class Decoding(Settings):
    """How to translate; the defaults are those of fairseq-generate.

    A translation has at most *max_len_a* · (length of the source) + *max_len_b* tokens;
    scores are divided by length ** *lenpen*; a batch has at most *max_tokens* tokens of
    the source. *limit* takes the first sentences of every pair only.
    """

    GROUP = "translation"

    beam: int = count(5, "beam (default: %(default)s)")
    lenpen: float = option(
        1.0,
        "length penalty; above 1 favours longer translations (default: %(default)s)",
        metavar="X",
    )
    max_len_a: float = option(
        0.0,
        "a translation has at most A × source + B tokens (default: %(default)s)",
        metavar="A",
    )
    max_len_b: int = option(200, "(default: %(default)s)", metavar="B")
    max_tokens: int = count(4096, "source tokens in a batch (default: %(default)s)")
    limit: int | None = count(None, "only the first N sentences of every pair")
    truncate_source: bool = switch(
        "cut sources that are too long for the model instead of refusing them"
    )
    remove_bpe: str = option(
        "auto",
        "how tokens become text (default: auto, by what DATA holds)",
        choices=SUBWORDS,
    )
    cpu: bool = switch("do not use the GPU")
    fp16: bool = switch("weights in float16 (GPU)")
    bf16_autocast: bool = switch(
        "multiply in bfloat16, weights in float32 (CPU and GPU)"
    )
    engine: str = option(
        "fairseq",
        "what translates; ctranslate2 is several times as fast on a CPU (default: "
        "%(default)s)",
        choices=ENGINES,
    )
    quantization: str | None = option(
        None,
        "numbers that ctranslate2 computes with (default: float32)",
        choices=QUANTIZATIONS,
    )
    converted: Path | None = option(
        None,
        "where ctranslate2's models are kept (default: ctranslate2/ beside each "
        "checkpoint)",
        metavar="DIR",
    )

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Refuse what no model can be translated with."""
        super().check()
        if self.max_len_a < 0 or self.max_len_a + self.max_len_b < 1:
            raise LassError(
                f"--max-len-a {self.max_len_a:g} --max-len-b {self.max_len_b} leave no "
                "room for a translation; give larger numbers"
            )
        if self.engine == CTRANSLATE2:
            instead = f"with --engine {CTRANSLATE2}; --quantization says it"
            needless(self, ("fp16", "bf16_autocast"), instead)
        else:
            why = f"without --engine {CTRANSLATE2}"
            needless(self, ("quantization", "converted"), why)
        if self.fp16 and self.bf16_autocast:
            raise LassError(
                "--fp16 and --bf16-autocast exclude each other; leave one of them out"
            )
        if self.fp16 and self.device.type == "cpu":
            raise LassError("--fp16 needs a GPU; on a CPU use --bf16-autocast")

    @property
    def device(self) -> "torch.device":
        """A GPU if there is one, unless *cpu* is set."""
        import torch

        usable = torch.cuda.is_available() and not self.cpu
        return torch.device("cuda" if usable else "cpu")

    def to_dict(self) -> dict[str, Any]:
        """What decides about translations, plain values."""
        values = asdict(self)
        del values["converted"]
        if self.engine != CTRANSLATE2:  # as before there was another
            del values["engine"], values["quantization"]
        else:
            values["precision"] = self.precision  # with the version of the library
        return values

    @property
    def precision(self) -> str:
        """``float32``, ``bfloat16 autocast``, ``int8 by ctranslate2 4.8`` …"""
        if self.engine == CTRANSLATE2:
            library = versions_of([CTRANSLATE2], missing="not installed")[CTRANSLATE2]
            return f"{self.quantization or 'float32'} by {CTRANSLATE2} {library}"
        if self.bf16_autocast:
            return "bfloat16 autocast"
        return "float16" if self.fp16 else "float32"


class Named(NamedTuple):
    """``NAME=VALUE`` of a command line."""

    name: str
    value: str

    @classmethod
    def parse(cls, text: str) -> "Named":
        name, _, value = text.partition("=")
        return cls(name, value)


def named(form: str, help: str, default: Any = (), **declared: Any) -> Any:
    """Declare an option for any number of words of *form*, as ``NAME=CHECKPOINT``."""

    def check(given: Named, flag: str) -> None:
        if not (given.name and given.value):
            raise LassError(f"{flag} {given.name} is not of the form {form}")

    return option(default, help, metavar=form, repeated=True, check=check, **declared)


def _share(text: str, flag: str) -> float:
    """Read a share of heads and units to leave out.

    Raises:
        LassError: it is no number in [0, 1).
    """
    try:
        share = float(text)
    except ValueError as error:
        raise LassError(f"{flag} {text} is no number; give one such as 0.5") from error
    return check_ratio(share, flag)


@dataclass(frozen=True, kw_only=True)
class SystemsSettings(Settings):
    """Checkpoints under names, and what they are translated with."""

    GROUP = "systems"

    system: tuple[Named, ...] = named(
        "NAME=CHECKPOINT",
        "a system; give it again for more, the baseline first. One model a pair is "
        "given as DIR/{pair}/checkpoint_best.pt, or as de-en:FILE,en-de:FILE",
        MISSING,
    )
    inference_masks: tuple[Named, ...] = named(
        "NAME=MASKS",
        "translate with the masks of this folder, checkpoint or these files "
        "(separated by commas) instead of those that the system's checkpoint carries",
    )
    base: tuple[Named, ...] = named(
        "NAME=FILE",
        "the base of a system of low-rank modules, where it is no longer where it "
        "was in training",
    )
    sparsity: tuple[Named, ...] = named(
        "NAME=SHARE", "of a system whose gates serve any sparsity"
    )
    data_of: tuple[Named, ...] = named(
        "NAME=DATA",
        "data folder of a system with another dictionary than that of the test set, "
        "prepared from the same text; with {pair}, that of each pair",
    )

    def make(self, dense: Sequence[str] = ()) -> "list[System]":
        """The systems in their order; *dense* are named those without masks.

        Raises:
            LassError: an option names a system twice or one that there is not.
        """
        from lass_plugin.evaluation.individual import Individual, is_individual
        from lass_plugin.evaluation.systems import System, check_names

        names = [name for name, _ in self.system]
        for flag, given in (
            ("--inference-masks", [name for name, _ in self.inference_masks]),
            ("--dense", dense),
            ("--base", [name for name, _ in self.base]),
            ("--sparsity", [name for name, _ in self.sparsity]),
            ("--data-of", [name for name, _ in self.data_of]),
        ):
            for name in given:
                if name not in names:
                    raise LassError(
                        f"{flag} names the system '{name}', but the systems are "
                        f"{', '.join(names)}"
                    )
                if given.count(name) > 1:
                    raise LassError(f"{flag} is given twice for {name}; keep one")
                if flag != "--data-of" and is_individual(dict(self.system)[name]):
                    raise LassError(
                        f"{flag} has no effect on system {name}, which has one model a "
                        "pair; leave it out"
                    )
        masks, bases = dict(self.inference_masks), dict(self.base)
        sparsities = {
            name: _share(value, f"--sparsity {name}") for name, value in self.sparsity
        }
        data_of = dict(self.data_of)
        systems: list[System] = []
        for name, path in self.system:
            data = data_of.get(name)
            if is_individual(path):
                systems.append(Individual.parse(name, path, data))
                continue
            base = Path(bases[name]) if name in bases else None
            share = sparsities.get(name)
            translated = masks.get(name), name in dense
            systems.append(System(name, Path(path), *translated, base, share, data))
        check_names(systems)
        return systems


@dataclass(frozen=True, kw_only=True)
class MetricSettings(Settings):
    """What translations are scored with; no training depends on it."""

    GROUP = "test set and scores"

    tokenize: str | None = option(
        None,
        "tokenizer of BLEU for all pairs (default: 13a, or that of the language; none "
        "where the text is tokenised, and none where 'lass prepare --moses' tokenised "
        "it scores the tokens); flores101 makes it the spBLEU of Goyal 2022 and Cao "
        "2024",
        metavar="NAME",
        matters=False,
    )
    metrics: tuple[str, ...] = option(
        (),
        "further metrics beside BLEU and chrF: spBLEU (sacreBLEU downloads its model "
        "once), COMET (needs the extra comet and a model)",
        metavar="NAME,…",
        parse="lass_plugin.evaluation.choice:parse_further",
        matters=False,
    )
    comet_model: str | None = option(
        None,
        "model of COMET, a name of the hub or a .ckpt file (default: "
        "Unbabel/wmt22-comet-da)",
        metavar="NAME",
        matters=False,
    )

    def choice(self, gpu: bool) -> "Choice":
        """The metrics; finds out whether they can be had.

        Args:
            gpu: compute COMET on it.

        Raises:
            LassError: a package or model is missing, or a model is without use.
        """
        from lass_plugin.evaluation.choice import Choice

        return Choice.make(self.metrics, self.tokenize, self.comet_model, gpu)

    def stated(self) -> dict[str, Any]:
        """What is not as by default, plain values: of results that are kept."""
        values = {
            "tokenize": self.tokenize,
            "metrics": list(self.metrics),
            "comet_model": self.comet_model,
        }
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True, kw_only=True)
class ScoringSettings(MetricSettings):
    """Which sentences are translated, how, and against what they are scored."""

    split: str = option("test", "split of the data (default: %(default)s)")
    references: Path | None = option(
        None,
        "folder of the references, SPLIT.SRC-TGT.LANG (default: DATA/raw, else the "
        "text of the dictionary)",
        metavar="DIR",
    )
    decoding: Decoding = including(Decoding)
    running: TranslatingSettings = including(TranslatingSettings, "jobs", "threads")

    @property
    def how(self) -> dict[str, Any]:
        """The arguments of :func:`.evaluation.evaluate` that these are.

        Raises:
            LassError: what a metric needs is missing.
        """
        from lass_plugin.places.devices import devices_to_translate

        names = ("split", "decoding", "references")
        found = {name: getattr(self, name) for name in names}
        gpu = self.decoding.device.type == "cuda"
        found["devices"] = devices_to_translate(replace(self.running, cpu=not gpu))
        return {**found, "choice": self.choice(gpu)}
