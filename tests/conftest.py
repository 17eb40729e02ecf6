"""Small made-up languages, tiny models and ways to run fairseq's commands in tests."""

import functools
import gc
import logging
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import quick_hydra  # noqa: F401
import torch
from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "1")

# a machine with other work is slow, which says nothing of what is tested
settings.register_profile(
    "here", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("here")


def pytest_collection_finish() -> None:
    """What has been imported stays to the end: no collection looks at it again."""
    gc.collect()
    gc.freeze()


ROOT = Path(__file__).resolve().parent.parent
PAIRS = ("de-en", "en-de", "en-nl", "nl-en")
WORDS = 24


def _sentences(count: int, seed: int) -> list[list[int]]:
    generator = random.Random(seed)
    return [
        [generator.randrange(WORDS) for _ in range(generator.randint(2, 9))]
        for _ in range(count)
    ]


def _spell(language: str, sentence: list[int]) -> str:
    order = sentence if language != "nl" else list(reversed(sentence))
    return " ".join(f"{language}{word}" for word in order)


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """A fairseq data folder of three made-up languages and four directions.

    Odd sizes on purpose: 13 test sentences and 17 for validation are no multiple of 8.
    """
    from fairseq.data import Dictionary, indexed_dataset

    folder = tmp_path_factory.mktemp("data")
    dictionary = Dictionary()
    for language in ("de", "en", "nl"):
        for word in range(WORDS):
            dictionary.add_symbol(f"{language}{word}")
    for language in ("de", "en", "nl"):
        dictionary.save(str(folder / f"dict.{language}.txt"))
    (folder / "langs.txt").write_text("de\nen\nnl\n")
    (folder / "raw").mkdir()
    sizes = {"train": {"de": 150, "nl": 60}, "valid": {"de": 17, "nl": 17}}
    sizes["test"] = {"de": 13, "nl": 13}
    for split_number, (split, counts) in enumerate(sizes.items()):
        for other, count in counts.items():
            sentences = _sentences(count, seed=10 * split_number + len(other))
            for language in ("en", other):
                prefix = folder / f"{split}.en-{other}.{language}"
                builder = indexed_dataset.make_builder(
                    f"{prefix}.bin", impl="mmap", vocab_size=len(dictionary)
                )
                lines = [_spell(language, sentence) for sentence in sentences]
                for line in lines:
                    builder.add_item(
                        dictionary.encode_line(line, add_if_not_exist=False).int()
                    )
                builder.finalize(f"{prefix}.idx")
                if split != "train":
                    raw = folder / "raw" / prefix.name
                    raw.write_text("".join(line + "\n" for line in lines))
    return folder


@pytest.fixture(scope="session")
def new_text(tmp_path_factory) -> Path:
    """Text of a language that the model has not seen, and its English."""
    folder = tmp_path_factory.mktemp("new-text")
    for number, (split, count) in enumerate({"train": 80, "test": 9}.items()):
        sentences = _sentences(count, seed=50 + number)
        for language in ("en", "uk"):
            lines = [_spell(language, sentence) for sentence in sentences]
            path = folder / f"{split}.en-uk.{language}"
            path.write_text("".join(f"{line}\n" for line in lines))
    return folder


@pytest.fixture(scope="session")
def language_data(tmp_path_factory) -> Path:
    """A data folder of an encoder: three made-up languages, one of them small."""
    from encoders import LANGUAGES, write_text

    from lass_plugin.data.encoder_preparation import prepare_encoder
    from lass_plugin.data.preparation_settings import EncoderPreparationSettings

    text, out = tmp_path_factory.mktemp("text"), tmp_path_factory.mktemp("data")
    write_text(text)
    prepare_encoder(
        EncoderPreparationSettings(
            text=text, out=out, languages=tuple(LANGUAGES), vocab_size=60, workers=1
        )
    )
    return out


MODEL_FLAGS = (
    "--arch transformer --encoder-layers 2 --decoder-layers 2 --encoder-embed-dim 32 "
    "--decoder-embed-dim 32 --encoder-ffn-embed-dim 64 --decoder-ffn-embed-dim 64 "
    "--encoder-attention-heads 2 --decoder-attention-heads 2 --share-all-embeddings "
    "--dropout 0.1"
).split()

TASK_FLAGS = (
    f"--user-dir {ROOT / 'lass_plugin'} --task translation_subnetwork "
    "--encoder-langtok src --decoder-langtok"
).split()

TRAIN_FLAGS = (
    "--criterion label_smoothed_cross_entropy --label-smoothing 0.1 --lr 0.003 "
    "--lr-scheduler inverse_sqrt --warmup-updates 5 --clip-norm 1.0 --max-tokens 160 "
    "--optimizer strict_adam --cpu --num-workers 0 --no-progress-bar --log-interval 5 "
    "--seed 3 --sampling-method temperature --sampling-temperature 2"
).split()


def shortened(command: str, arguments: tuple) -> tuple:
    """Arguments by which translating takes less: the tests' models seldom end a
    sentence, and another process for the data imports everything once more."""
    given = {*map(str, arguments)}
    translates = command in ("generate", "interactive")
    workers = translates or command == "validate"
    translates |= command == "lass" and arguments[0] in ("evaluate", "zero-shot")
    if translates and not {"--max-len-b", "--help"} & given:
        arguments += ("--max-len-b", 20)
    if workers and "--num-workers" not in given:
        arguments += ("--num-workers", 0)
    return arguments


class Commands:
    """fairseq's commands as a user calls them, in a process of their own."""

    def __init__(self, data: Path):
        self.data = data

    def run(
        self, command: str, *arguments: object, check: bool = True, **kwargs
    ) -> subprocess.CompletedProcess:
        modules = {
            "train": "fairseq_cli.train",
            "generate": "fairseq_cli.generate",
            "interactive": "fairseq_cli.interactive",
            "validate": "fairseq_cli.validate",
            "lass": "lass_plugin.cli",
        }
        entry = f"import sys; from {modules[command]} import cli_main as main; main()"
        start = [sys.executable, "-c", entry]
        if command == "lass":
            start = [sys.executable, "-m", "lass_plugin.cli"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        environment.update(kwargs.pop("env", {}))
        result = subprocess.run(
            [*start, *map(str, shortened(command, arguments))],
            capture_output=True,
            text=True,
            env=environment,
            timeout=kwargs.pop("timeout", 300),
            **kwargs,
        )
        if check and result.returncode:
            raise AssertionError(
                f"{command} ended with {result.returncode}\n{result.stdout[-3000:]}\n"
                f"{result.stderr[-6000:]}"
            )
        return result

    def train(self, save_dir: Path, *arguments: object, **kwargs):
        pairs = () if "--lang-pairs" in arguments else ("--lang-pairs", ",".join(PAIRS))
        flags = list(arguments)
        task = [flag for flag in TASK_FLAGS]
        if "--task" in flags:  # the later one wins in argparse, but be plain
            place = task.index("--task")
            del task[place : place + 2]
        return self.run(
            "train",
            self.data,
            *task,
            *pairs,
            *MODEL_FLAGS,
            *TRAIN_FLAGS,
            "--save-dir",
            save_dir,
            *flags,
            **kwargs,
        )


@pytest.fixture(scope="session")
def commands(data, tmp_path_factory):
    """Those that start quickly, can be killed and can run out of disk."""
    from forked import ForkedCommands

    return ForkedCommands(data, tmp_path_factory.mktemp("forked"))


@pytest.fixture(scope="session")
def processes(data) -> Commands:
    """The commands with all that a user waits for."""
    return Commands(data)


@pytest.fixture(scope="session")
def base(commands, tmp_path_factory) -> Path:
    """The checkpoint of a base model trained for 40 updates."""
    folder = tmp_path_factory.mktemp("base")
    commands.train(folder, "--max-update", 40, "--no-epoch-checkpoints")
    return folder / "checkpoint_last.pt"


@pytest.fixture(scope="session")
def masks(base, tmp_path_factory) -> Path:
    """A folder with a random mask of the base for each pair."""
    from in_process import random_mask

    from lass_plugin.masks import MaskSet, save_masks

    folder = tmp_path_factory.mktemp("masks")
    weights = load(base)["model"]
    save_masks(folder, MaskSet(random_mask(pair, weights) for pair in PAIRS))
    return folder


@pytest.fixture(scope="session")
def importance(commands, data, base, tmp_path_factory) -> Path:
    """The folder of the importance of the base's neurons, in several parts a pair."""
    out = tmp_path_factory.mktemp("importance")
    commands.run(
        *("lass", "neurons", "importance", data, "--checkpoint", base, "--out", out),
        *("--part", 40, "--cpu"),
    )
    return out


@pytest.fixture(autouse=True)
def logging_is_on():
    """Subcommands silence fairseq's logging; some tests run one by itself."""
    logging.disable(logging.NOTSET)


FROM_BASE = (
    "--reset-optimizer --reset-dataloader --reset-meters --reset-lr-scheduler"
).split()


@pytest.fixture(scope="session")
def joint(commands, base, masks, tmp_path_factory) -> Path:
    """The checkpoint of a joint training for 20 updates; its masks folder is gone."""
    folder = tmp_path_factory.mktemp("joint")
    given = shutil.copytree(masks, folder / "masks")
    commands.train(
        *(folder, "--restore-file", base, *FROM_BASE, "--masks", given),
        *("--max-update", 20, "--no-epoch-checkpoints"),
    )
    shutil.rmtree(given)
    return folder / "checkpoint_last.pt"


NEW = ("en-uk", "uk-en")


@pytest.fixture(scope="session")
def grown(joint, data, new_text, tmp_path_factory) -> Path:
    """Data and checkpoint with room for the pairs NEW, and random masks for these."""
    from in_process import random_mask

    from lass_plugin.experiments.new_pairs.run import extend
    from lass_plugin.experiments.new_pairs.settings import ExtendSettings
    from lass_plugin.languages import parse_pairs
    from lass_plugin.masks import MaskSet, save_masks

    out = tmp_path_factory.mktemp("grown") / "out"
    extend(
        ExtendSettings(
            checkpoint=joint,
            data=data,
            text=new_text,
            pairs=tuple(parse_pairs(NEW)),
            out=out,
            until="extend",
            cpu=True,
            least=1,
        )
    )
    weights = load(out / "extended.pt")["model"]
    save_masks(out / "masks", MaskSet(random_mask(pair, weights) for pair in NEW))
    return out


LSLO_FLAGS = (
    "--task translation_lslo --lslo-ranks de=4,en=5,nl=4 --lslo-placement first:1 "
    "--lr 0.02"
).split()


GATES = ("--task", "translation_gates")
OWN = ("--task", "translation_decoders")


@pytest.fixture(scope="session")
def low_rank(commands, base, tmp_path_factory) -> Path:
    """The checkpoint of low-rank modules, trained until it says something."""
    folder = tmp_path_factory.mktemp("low-rank")
    length = ("--max-update", 400, "--no-epoch-checkpoints", "--disable-validation")
    commands.train(folder, *LSLO_FLAGS, "--base", base, *length)
    return folder / "checkpoint_last.pt"


ADAPTERS = ("--task", "translation_adapters", "--adapter-bottleneck", 8)


@pytest.fixture(scope="session")
def adapted(commands, base, tmp_path_factory) -> Path:
    """The checkpoint of adapters of sources and targets in a frozen base."""
    folder = tmp_path_factory.mktemp("adapted")
    flags = (*ADAPTERS, "--adapter-by", "separate", "--freeze-base", "--lr", 0.01)
    length = ("--max-update", 200, "--no-epoch-checkpoints", "--disable-validation")
    commands.train(folder, *flags, "--finetune-from-model", base, *length)
    return folder / "checkpoint_last.pt"


@pytest.fixture(scope="session")
def own_decoders(commands, base, tmp_path_factory) -> Path:
    """The checkpoint of a decoder for each target, trained from the base."""
    folder = tmp_path_factory.mktemp("own-decoders")
    length = ("--max-update", 60, "--no-epoch-checkpoints", "--disable-validation")
    commands.train(folder, *OWN, "--finetune-from-model", base, *length)
    return folder / "checkpoint_last.pt"


SEARCH_FLAGS = (
    *("--task", "translation_subnetwork_search", "--lang-pairs", "de-en,en-nl"),
    *("--pruning-criterion", "gradient", "--pruning-schedule", "gradual"),
    *("--pruning-ratio", 0.5, "--pruning-start", 1, "--pruning-ramp", 2),
    *("--pruning-interval", 2),
)


@pytest.fixture(scope="session")
def neurons(data, tmp_path_factory) -> Path:
    """A folder of random masks of neurons for each pair."""
    from runs import Run

    from lass_plugin.anatomy.neurons import UNITS
    from lass_plugin.masks import MaskSet, Provenance, save_masks
    from lass_plugin.masks.neurons import neuron_mask
    from lass_plugin.neurons.recording import find_neurons

    generator = torch.Generator().manual_seed(4)
    units = find_neurons(Run(data).model, UNITS)
    drawn = {
        key: {
            name: torch.rand(unit.neurons, generator=generator) < 0.7
            for name, unit in units.items()
        }
        for key in PAIRS
    }
    folder = tmp_path_factory.mktemp("neurons") / "masks"
    origin = Provenance("random", 0.3)
    save_masks(
        folder,
        MaskSet(neuron_mask(key, kept, origin) for key, kept in drawn.items()),
    )
    return folder


KINDS = ("base", "fine-tuned", "joint", "neurons", "search", "low-rank", "extension")
KINDS += ("gates", "learned-gates", "adapters", "frozen-adapters")
KINDS += ("own-decoders", "own-attention")


@pytest.fixture(scope="session")
def half_open(data, base, tmp_path_factory) -> Path:
    """Gates of each pair by importance, half of the components open."""
    from lass_plugin.cli.main import main

    importance, gates = (tmp_path_factory.mktemp(n) for n in ("importance", "gates"))
    words = ["importance", data, "--checkpoint", base, "--cpu", "--out", importance]
    assert main(["gates", *map(str, words)]) == 0
    words = ["select", importance, "--sparsity", 0.5, "--out", gates]
    assert main(["gates", *map(str, words)]) == 0
    return gates


@pytest.fixture(scope="session")
def kinds(base, masks, neurons, grown, half_open) -> dict[str, tuple]:
    """Kind of training -> its flags; an extension is of the data in ``grown``."""
    tuned = ("--finetune-from-model", base)
    return {
        "base": (),
        "fine-tuned": tuned,
        "joint": (*tuned, "--masks", masks),
        "neurons": (*tuned, "--masks", neurons),
        "search": (*SEARCH_FLAGS, *tuned),
        "low-rank": (*LSLO_FLAGS, "--base", base),
        "extension": (
            *("--lang-pairs", ",".join(NEW), "--finetune-from-model"),
            *(grown / "extended.pt", "--extend", grown / "extended.pt"),
            *("--masks", grown / "masks"),
        ),
        "gates": (*GATES, *tuned, "--gates", half_open),
        "learned-gates": (*GATES, *tuned, "--gates-learn"),
        "adapters": ADAPTERS,
        "frozen-adapters": (*ADAPTERS, *tuned, "--freeze-base"),
        "own-decoders": (*OWN, *tuned),
        "own-attention": (*OWN, *tuned, "--own", "attention"),
    }


def load(path: Path) -> dict:
    """A checkpoint, read as safely as torch can."""
    from lass_plugin.checkpoints.torch_files import allow_checkpoint_types

    allow_checkpoint_types()
    return torch.load(path, map_location="cpu", weights_only=True)


@pytest.fixture(scope="session", autouse=True)
def _trainings_start_quickly():
    from forked_trainings import OfServer, fork_trainings

    fork_trainings(OfServer)


@pytest.fixture
def half_precision_on_cpu(monkeypatch):
    """Let fairseq's wrappers for mixed precision run where there is no GPU."""
    monkeypatch.setattr(torch.cuda, "current_device", lambda: None)
    monkeypatch.setattr(torch.Tensor, "cuda", lambda self, *_: self)
    scaler = functools.partial(torch.amp.GradScaler, "cpu")
    monkeypatch.setattr(torch.cuda.amp, "GradScaler", scaler)
