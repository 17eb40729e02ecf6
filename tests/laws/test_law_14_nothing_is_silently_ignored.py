"""Law 14: nothing is silently ignored.

An option without effect in the chosen mode, an unknown key, a pair without a mask: an
error that names it, in one sentence.
"""

import shutil
from pathlib import Path

import pytest
import torch
from conftest import PAIRS, ROOT, load
from fairseq import options as fairseq_options
from fairseq.tasks import TASK_DATACLASS_REGISTRY
from in_process import TOKENS, load_model, random_mask, translation_task
from runs import Run

from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.masks import (
    Mask,
    MaskSet,
    Provenance,
    find_sites,
    load_masks,
    save_masks,
)
from lass_plugin.methods.search.one_search import SearchPlan
from lass_plugin.tasks.translation_subnetwork import TranslationSubnetworkTask
from lass_plugin.tasks.translation_subnetwork_search import (
    TranslationSubnetworkSearchTask,
)

TASKS = {
    "": TranslationSubnetworkTask,
    "_search": TranslationSubnetworkSearchTask,
}


def set_up(parser, data: Path, flags: str, kind: str = ""):
    """The task as a command sets it up, without the slow part of its configuration."""
    arguments = [str(data), "--task", f"translation_subnetwork{kind}"]
    if "--path" not in flags:
        arguments += ["--arch", "transformer", "--max-tokens", "100", "--cpu", *TOKENS]
    arguments += flags.split()
    task = TASKS[kind]
    namespace = fairseq_options.parse_args_and_arch(parser(), arguments)
    dataclass = TASK_DATACLASS_REGISTRY[f"translation_subnetwork{kind}"]
    return task.setup_task(dataclass.from_namespace(namespace))


def training(data, flags, kind=""):
    return set_up(fairseq_options.get_training_parser, data, flags, kind)


def translation(data, flags):
    parser = fairseq_options.get_generation_parser
    return set_up(parser, data, f"{flags} --path unused.pt")


def refused(named: str, call, *arguments) -> None:
    """The call fails with one sentence that names what is at fault."""
    with pytest.raises(LassError) as told:
        call(*arguments)
    message = told.value.message
    assert named in message, message
    assert "\n" not in message and not message.endswith(".")


ALL = f"--lang-pairs {','.join(PAIRS)}"

TRAINING = {
    "mixed batches under masks": (
        f"{ALL} --masks M --mixed-batches",
        "--mixed-batches",
    ),
    "--dense": (f"{ALL} --dense", "--dense"),
    "--inference-masks": (f"{ALL} --inference-masks M", "--inference-masks"),
    "--keep-inference-langtok": (
        f"{ALL} --keep-inference-langtok",
        "--keep-inference-langtok",
    ),
    "--allow-other-base without masks": (
        f"{ALL} --allow-other-base",
        "--allow-other-base has no effect without --masks",
    ),
    "temperature of concat": (f"{ALL} --sampling-temperature 3", "--sampling-temp"),
    "temperature 1.5 of uniform": (
        f"{ALL} --sampling-method uniform --sampling-temperature 1.5",
        "--sampling-temperature",
    ),
    "temperature 0": (
        f"{ALL} --sampling-method temperature --sampling-temperature 0",
        "--sampling-temperature 0",
    ),
    "no pairs": ("", "--lang-pairs"),
    "empty pairs": ("--lang-pairs ,", "empty"),
    "a pair that is none": ("--lang-pairs de-en,deen", "'deen'"),
    "a pair twice": ("--lang-pairs de-en,en-de,de-en", "de-en"),
    "source without target": ("--source-lang de", "--target-lang"),
    "target without source": ("--target-lang de", "--source-lang"),
    "a pair beside the list": ("-s de -t nl --lang-pairs de-en,en-de", "de-nl"),
    "two lists of languages": (f"{ALL} --langs de,en,nl --lang-dict X", "--lang-dict"),
    "no such list": (f"{ALL} --lang-dict /no/langs.txt", "/no/langs.txt"),
    "a language without token": (f"{ALL} --langs de,en", "language nl"),
    "a language twice": (f"{ALL} --langs de,en,nl,de", "language de"),
    "an empty list": (f"{ALL} --langs ,", "empty"),
    "another token": (f"{ALL} --encoder-langtok de", "--encoder-langtok"),
    "amp on a CPU": (f"{ALL} --amp", "--amp"),
    "bf16 on a CPU": (f"{ALL} --bf16", "--bf16"),
    "two precisions": (f"{ALL} --bf16-autocast --fp16", "--bf16-autocast and --fp16"),
    "sharded optimizer": (f"{ALL} --masks M --zero-sharding os", "--zero-sharding os"),
    "sharded weights": (
        f"{ALL} --masks M --ddp-backend fully_sharded",
        "--ddp-backend fully_sharded",
    ),
    "slow momentum": (f"{ALL} --masks M --ddp-backend slowmo", "--ddp-backend slowmo"),
    "block momentum": (f"{ALL} --masks M --use-bmuf", "--use-bmuf"),
    "a missing dictionary": (f"{ALL} --source-dict /no/dict.txt", "/no/dict.txt"),
}


@pytest.mark.parametrize("flags, named", TRAINING.values(), ids=TRAINING)
def test_in_training(data, flags, named):
    refused(named, training, data, flags)


ONE = "--lang-pairs de-en --max-update 100"
GRADUAL = f"{ONE} --pruning-schedule gradual"
SEARCH = {
    "several pairs by magnitude": (f"{ALL} --max-update 100", "criterion magnitude"),
    "too short for four pairs": (
        f"{ALL} --max-update 100 --pruning-criterion gradient "
        "--pruning-schedule gradual --pruning-ramp 26",
        "--max-update 100",
    ),
    "scores on the CPU": (
        f"{ONE} --pruning-criterion gradient --scores-on-cpu",
        "--scores-on-cpu",
    ),
    "masks": (f"{ONE} --masks M", "--masks"),
    "mixed batches": (f"{ONE} --mixed-batches", "--mixed-batches"),
    "--dense": (f"{ONE} --dense", "--dense"),
    "another base": (f"{ONE} --allow-other-base", "--allow-other-base"),
    "ratio 1": (f"{ONE} --pruning-ratio 1", "--pruning-ratio 1.0"),
    "ratio 60": (f"{ONE} --pruning-ratio 60", "--pruning-ratio 60.0"),
    "ratio below 0": (f"{ONE} --pruning-ratio -0.1", "--pruning-ratio -0.1"),
    "ratio nan": (f"{ONE} --pruning-ratio nan", "--pruning-ratio nan"),
    "ramp of oneshot": (f"{ONE} --pruning-ramp 50", "--pruning-ramp"),
    "start of oneshot": (f"{ONE} --pruning-start 5", "--pruning-start"),
    "interval of oneshot": (f"{ONE} --pruning-interval 5", "--pruning-interval"),
    "moving of oneshot": (f"{ONE} --move-pruned", "--move-pruned"),
    "gradual without ramp, of open length": (
        "--lang-pairs de-en --pruning-schedule gradual",
        "--pruning-ramp",
    ),
    "longer than the run": (
        f"{GRADUAL} --pruning-start 60 --pruning-ramp 50",
        "--max-update 100",
    ),
    "a start below 0": (f"{GRADUAL} --pruning-start -1 --pruning-ramp 9", "start"),
    "interval 0": (f"{GRADUAL} --pruning-ramp 9 --pruning-interval 0", "interval"),
    "an unknown target": (f"{ONE} --mask-targets attention,ffn", "'ffn'"),
    "no target": (f"{ONE} --mask-targets ,", "mask target"),
    "reports before the start": (f"{ONE} --report-interval -5", "--report-interval"),
    "a stopping rule without a report": (
        f"{ONE} --stop-when-settled 0.5 --report-interval 101",
        "--report-interval 101",
    ),
    "sharded optimizer": (f"{ONE} --zero-sharding os", "--zero-sharding os"),
}


@pytest.mark.parametrize("flags, named", SEARCH.values(), ids=SEARCH)
def test_in_a_search(data, flags, named):
    refused(named, training, data, flags, "_search")


TRANSLATION = {
    "source alone": ("-s de", "--target-lang"),
    "dense and masks": ("-s de -t en --dense --inference-masks M", "--inference-masks"),
    "dense and --masks": ("-s de -t en --dense --masks M", "--dense and --masks"),
    "two masks": ("-s de -t en --inference-masks M --masks N", "--masks exclude"),
    "another base": ("-s de -t en --allow-other-base", "--allow-other-base"),
    "mixed batches": ("-s de -t en --mixed-batches", "--mixed-batches"),
    "sampling": ("-s de -t en --sampling-method uniform", "--sampling-method"),
    "training options": ("-s de -t en --sampling-method uniform", "--lang-pairs"),
    "temperature": ("-s de -t en --sampling-temperature 2", "--sampling-temperature"),
    "nothing to translate": ("", "--source-lang"),
    "a language that is none": ("-s d/e -t en", "d/e-en"),
    "no dictionary": ("-s fr -t en", "dict.fr.txt"),
}


@pytest.mark.parametrize("flags, named", TRANSLATION.values(), ids=TRANSLATION)
def test_in_translation(data, flags, named):
    if "fr" in flags.split():
        flags += " --langs de,en,fr,nl"
    refused(named, translation, data, flags)


def test_what_is_sound_is_accepted(data, masks):
    """The tables above would prove nothing if everything were refused."""
    training(data, ALL)
    training(data, f"{ALL} --masks {masks} --allow-other-base")
    training(data, f"{ALL} --sampling-method temperature --sampling-temperature 5")
    training(data, f"{ALL} --mixed-batches --sampling-method uniform")
    training(data, f"{GRADUAL} --pruning-ramp 50 --pruning-start 50", "_search")
    training(data, f"{ONE} --pruning-ratio 0", "_search")
    training(data, f"{ALL} --pruning-criterion gradient --max-update 9", "_search")
    translation(data, "-s de -t en --lang-pairs de-en,en-de")
    translation(data, "-s de -t en --masks M --allow-other-base")


@pytest.mark.parametrize(
    "change, named",
    [({"criterion": "taylor"}, "'taylor'"), ({"schedule": "linear"}, "'linear'")],
)
def test_an_unknown_plan_from_a_configuration_file(change, named):
    refused(named, SearchPlan(**{"key": "de-en", **change}).check, 100)


# -- data ----------------------------------------------------------------------------


@pytest.fixture
def own(data, tmp_path) -> Path:
    """A copy of the data folder that a test may spoil."""
    return Path(shutil.copytree(data, tmp_path / "data"))


def test_no_data_folder(tmp_path):
    refused("/nowhere", training, tmp_path / "nowhere", ALL)


def test_a_data_folder_without_a_dictionary(own):
    (own / "dict.nl.txt").unlink()
    refused("dict.nl.txt", training, own, ALL)


def test_dictionaries_that_differ(own):
    with open(own / "dict.nl.txt", "a") as file:
        file.write("more 1\n")
    refused("dict.nl.txt", training, own, ALL)


def test_a_dictionary_without_the_token_of_a_language(data):
    task = training(data, ALL)
    tokens = LanguageTokens(("de", "en", "nl", "fr"), "src", True)
    with pytest.raises(LassError, match="__fr__"):
        tokens.encoder_token(Pair("fr", "en"), task.source_dictionary)
    with pytest.raises(LassError, match="__fr__"):
        tokens.decoder_token(Pair("en", "fr"), task.target_dictionary)


def write_split(folder: Path, name: str, lines: list[str]) -> None:
    from fairseq.data import Dictionary, indexed_dataset

    dictionary = Dictionary.load(str(folder / "dict.en.txt"))
    prefix = str(folder / name)
    builder = indexed_dataset.make_builder(
        f"{prefix}.bin", impl="mmap", vocab_size=len(dictionary)
    )
    for line in lines:
        builder.add_item(dictionary.encode_line(line, add_if_not_exist=False).int())
    builder.finalize(f"{prefix}.idx")


def test_a_pair_without_data(own):
    task = training(own, "--lang-pairs de-en,de-nl")
    refused("de-nl", task.load_dataset, "train")


def test_a_side_without_data(own):
    for end in ("bin", "idx"):
        (own / f"train.en-de.en.{end}").unlink()
    refused("lacks its en side", training(own, ALL).load_dataset, "train")


def test_sides_of_unequal_length(own):
    write_split(own, "train.en-de.de", ["de1 de2"] * 149)
    refused("149", training(own, ALL).load_dataset, "train")


def test_a_pair_without_sentences(own):
    for language in ("de", "en"):
        write_split(own, f"train.en-de.{language}", [])
    refused("train.en-de.de", training(own, ALL).load_dataset, "train")


def test_a_data_file_that_is_broken(own):
    index = own / "train.en-de.de.idx"
    index.write_bytes(index.read_bytes()[:20])
    refused("train.en-de.de", training(own, ALL).load_dataset, "train")


# -- masks ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(base):
    return load(base)["model"]


def test_no_mask_file(data, tmp_path):
    flags = f"{ALL} --masks {tmp_path / 'none'}"
    refused("none", training, data, flags)
    (tmp_path / "none").mkdir()
    refused("none", training, data, flags)


def test_a_pair_without_a_mask_at_the_start_of_joint_training(data, masks, tmp_path):
    for pair in PAIRS[:-1]:
        shutil.copy(masks / f"{pair}.safetensors", tmp_path)
    refused("no mask of nl-en", training, data, f"{ALL} --masks {tmp_path}")


def test_masks_of_other_pairs_only(data, masks):
    flags = f"{ONE} --masks {masks / 'en-de.safetensors'}"
    refused("no mask of de-en", training, data, flags)


def test_two_masks_of_one_pair(masks):
    one = masks / "de-en.safetensors"
    refused("two masks of de-en", load_masks, f"{masks},{one}")


def changed(mask: Mask, name: str, shape: tuple[int, ...] | None, new: str) -> Mask:
    tensors = {site: mask.unpack(site) for site in mask.shapes}
    old = tensors.pop(name)
    if new:
        tensors[new] = old if shape is None else torch.ones(shape) > 0
    return Mask.from_tensors(mask.key, tensors, Provenance("random", 0.5))


FC1 = "encoder.layers.0.fc1.weight"


@pytest.mark.parametrize(
    "shape, new",
    [((32, 64), FC1), ((1, 32), FC1), (None, "encoder.layers.9.fc1.weight")],
    ids=["transposed", "would be broadcast", "another matrix"],
)
def test_masks_of_another_model(data, weights, tmp_path, shape, new):
    masks = [changed(random_mask(pair, weights), FC1, shape, new) for pair in PAIRS]
    save_masks(tmp_path, MaskSet(masks))
    with pytest.raises(LassError, match=r"encoder\.layers\.[09]\.fc1\.weight"):
        Run(data, "--masks", tmp_path)  # before any data is read


def test_masks_that_do_not_fit_together(weights):
    whole = random_mask("de-en", weights)
    less = changed(random_mask("en-de", weights), FC1, None, "")
    with pytest.raises(LassError, match="de-en and en-de"):
        MaskSet([whole, less])


def test_masks_of_another_base(data, masks):
    run = Run(data, "--masks", masks)  # of fresh weights, not those of the masks
    with pytest.raises(LassError, match="--allow-other-base"):
        run.update("de-en")
    Run(data, "--masks", masks, "--allow-other-base").update("de-en")


def test_masks_of_another_start_are_refused_before_data_is_read(data, base, masks):
    state = load(base)
    state["model"][FC1] = torch.randn_like(state["model"][FC1])
    other = masks.parent / "other-start.pt"
    torch.save(state, other)
    flags = f"{ALL} --masks {masks} --finetune-from-model"
    training(data, f"{flags} {base}")
    refused(f"other weights than those of {other}", training, data, f"{flags} {other}")


def test_a_target_that_covers_nothing(data):
    model = Run(data).model
    with pytest.raises(LassError, match="output-projection|same tensor"):
        find_sites(model, ["output-projection"])
    with pytest.raises(LassError, match="'feed-forward'"):
        find_sites(torch.nn.Linear(2, 2), ["feed-forward"])


def test_masks_beside_those_that_the_checkpoint_carries(joint, data, masks):
    task = translation_task(data, f"-s de -t en --masks {masks}")
    with pytest.raises(LassError, match="--masks .* has no effect"):
        task.method_of(load_model(joint, task))


def test_masks_of_another_base_in_translation(base, data, masks, tmp_path):
    state = load(base)
    for name in load_masks(masks).shapes:
        state["model"][name] = torch.randn_like(state["model"][name])
    torch.save(state, tmp_path / "other.pt")
    task = translation_task(data, f"-s de -t en --masks {masks}")
    with pytest.raises(LassError, match="--allow-other-base"):
        task.method_of(load_model(tmp_path / "other.pt", task)).bake("de-en")
    task = translation_task(data, f"-s de -t en --masks {masks}")
    task.method_of(load_model(base, task)).bake("de-en")


def test_inference_masks_without_the_pair(joint, data, masks):
    only = masks / "en-de.safetensors"
    task = translation_task(data, f"-s de -t en --inference-masks {only}")
    with pytest.raises(LassError, match="no mask of de-en"):
        task.method_of(load_model(joint, task))


def test_training_one_pair_by_source_and_target(data):
    task = training(data, "--source-lang de --target-lang en")
    with pytest.raises(LassError, match="--lang-pairs de-en"):
        task.train_step({}, None, None, None, 0)


def test_typing_sentences_of_an_unknown_pair(data):
    task = training(data, ALL)
    with pytest.raises(LassError, match="--source-lang"):
        task.build_dataset_for_inference([torch.tensor([5, 2])], [2])


@pytest.mark.parametrize(
    "text", ["", "de", "de-", "-en", "de-en-nl", "de en", "d/e-en"]
)
def test_a_pair_that_is_none(text):
    with pytest.raises(LassError):
        parse_pairs([text] if text else "")


# -- the commands ----------------------------------------------------------------------


def one_sentence(result, named: str) -> None:
    assert result.returncode == 1
    assert result.told.startswith("error: ") and named in result.told
    assert result.stderr.count("error: ") == 1
    assert "Traceback" not in result.stdout + result.stderr


def test_joint_training_without_a_mask_ends_with_one_sentence(
    commands, base, masks, tmp_path
):
    masks = masks / "de-en.safetensors"
    flags = ("--finetune-from-model", base, "--masks", masks, "--max-update", 2)
    result = commands.train(tmp_path / "joint", *flags, check=False)
    one_sentence(result, "there is no mask of en-de")


def test_a_search_of_several_pairs_by_magnitude_ends_with_one_sentence(
    commands, tmp_path
):
    flags = ("--task", "translation_subnetwork_search", "--max-update", 2)
    result = commands.train(tmp_path / "search", *flags, check=False)
    one_sentence(result, "--pruning-criterion magnitude")
    assert not list(tmp_path.rglob("*.pt"))


def test_masks_of_another_base_end_with_one_sentence(commands, masks, tmp_path):
    flags = ("--masks", masks, "--max-update", 2)
    result = commands.train(tmp_path / "joint", *flags, check=False)
    one_sentence(result, "--allow-other-base")


def test_half_a_pair_ends_translation_with_one_sentence(commands, joint, data):
    result = commands.run(
        *("generate", data, "--user-dir", ROOT / "lass_plugin", "--path", joint),
        *("--task", "translation_subnetwork", "-s", "de", "--cpu"),
        check=False,
    )
    one_sentence(result, "--target-lang")
