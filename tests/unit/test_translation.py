"""Many pairs, one model: switching masks, order, limits, text, errors that name."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import bare
import pytest
import torch
from conftest import PAIRS, ROOT, load
from fairseq.data import Dictionary

from lass_plugin.anatomy.targets import select_sites
from lass_plugin.data.text_steps import TextSteps
from lass_plugin.errors import LassError
from lass_plugin.evaluation import report_file, texts
from lass_plugin.evaluation.evaluation import _describe, choose_pairs, evaluate
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import Saved, System, check_names
from lass_plugin.evaluation.texts import load_sources, read_test_set
from lass_plugin.evaluation.translation import FairseqTranslator
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.masks import DEFAULT_TARGETS, Mask, Provenance, load_masks, save_mask

SHORT = Decoding(beam=2, max_len_b=8, cpu=True, remove_bpe="none")


@pytest.fixture(scope="module")
def loud(base, tmp_path_factory) -> Path:
    """The base with noise on its weights, so that it says something for every pair."""
    state = load(base)
    generator = torch.Generator().manual_seed(5)
    for name, weight in state["model"].items():
        if weight.dim() == 2:
            noise = torch.randn(weight.shape, generator=generator)
            state["model"][name] = weight + 0.3 * noise
    path = tmp_path_factory.mktemp("loud") / "loud.pt"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def masks(loud, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("masks")
    sites = select_sites(load(loud)["model"], DEFAULT_TARGETS)
    for number, key in enumerate(PAIRS):
        generator = torch.Generator().manual_seed(number)
        kept = {
            name: torch.rand(weight.shape, generator=generator) < 0.6
            for name, weight in sites.items()
        }
        mask = Mask.from_tensors(key, kept, Provenance("random", 0.4))
        save_mask(folder / f"{key}.safetensors", mask)
    return folder


def ready_of(system, data, pairs=PAIRS):
    return Saved(system).set_up(Path(data), parse_pairs(pairs))


def translations(system, data, pairs=PAIRS, decoding=SHORT):
    return FairseqTranslator(ready_of(system, data, pairs), decoding).translate("test")[
        0
    ]


def test_a_pair_after_another_and_back_gives_identical_translations(loud, masks, data):
    system = System("s", loud, str(masks))
    ready = ready_of(system, data)
    alone = {key: translations(system, data, [key])[key] for key in PAIRS}
    assert FairseqTranslator(ready, SHORT).translate("test")[0] == alone
    assert len(set(map(tuple, alone.values()))) == len(PAIRS)
    model = ready.build_model(torch.device("cpu"), fp16=False)
    dataset = load_sources(ready, "test")
    generator = ready.task.build_generator([model], Decoding(beam=2, max_len_b=8))
    found = []
    for index in (0, 20, 0, 20, 0):  # sentences of de-en and en-de in turn
        sample = dataset.collater([dataset[index]])
        (best, *_), *_ = ready.task.inference_step(generator, [model], sample)
        found.append((best["tokens"].tolist(), best["positional_scores"].tolist()))
    assert found[0] == found[2] == found[4]
    assert found[1] == found[3] != found[0]


def test_masked_translation_is_that_of_a_model_whose_weights_were_multiplied(
    loud, masks, data, tmp_path
):
    state = load(loud)
    mask = load_masks(masks)["en-nl"]
    for name in mask.shapes:
        state["model"][name] *= mask.unpack(name)
    torch.save(state, tmp_path / "multiplied.pt")
    expected = translations(System("m", tmp_path / "multiplied.pt"), data)["en-nl"]
    assert translations(System("s", loud, str(masks)), data)["en-nl"] == expected
    assert translations(System("d", loud), data)["en-nl"] != expected


@pytest.mark.parametrize("max_tokens", [1, 30, 4096])
def test_every_sentence_comes_back_in_its_place(loud, data, max_tokens):
    decoding = replace(SHORT, max_tokens=max_tokens)
    found = translations(System("s", loud), data, decoding=decoding)
    assert {key: len(lines) for key, lines in found.items()} == dict.fromkeys(PAIRS, 13)
    assert found == translations(System("s", loud), data)


def test_limit_takes_the_first_sentences(loud, data):
    system = System("s", loud)
    some = translations(system, data, decoding=replace(SHORT, limit=5))
    every = translations(system, data)
    assert some == {key: lines[:5] for key, lines in every.items()}
    more = translations(system, data, decoding=replace(SHORT, limit=99))
    assert more == every


def test_autocast_sees_the_mask_of_each_pair(loud, masks, data):
    decoding = replace(SHORT, bf16_autocast=True)
    system = System("s", loud, str(masks))
    alone = {key: translations(system, data, [key], decoding)[key] for key in PAIRS}
    assert translations(system, data, decoding=decoding) == alone


def test_sources_and_references_are_the_untouched_text(loud, data):
    test_set = read_test_set(ready_of(System("s", loud), data), "test", SHORT)
    for key in PAIRS:
        pair = Pair.parse(key)
        other = pair.source if pair.target == "en" else pair.target
        for side, language in (
            (test_set.sources, pair.source),
            (test_set.references, pair.target),
        ):
            raw = data / "raw" / f"test.en-{other}.{language}"
            assert side[key] == raw.read_text().splitlines()
    assert test_set.sentences == 52
    assert str(data / "raw") in test_set.origin


def test_without_raw_text_the_dictionary_gives_the_references_and_says_so(
    loud, data, tmp_path
):
    folder = tmp_path / "data"
    shutil.copytree(data, folder, ignore=shutil.ignore_patterns("raw"))
    ready = ready_of(System("s", loud), data)
    expected = read_test_set(ready, "test", SHORT)
    found = read_test_set(ready_of(System("s", loud), folder), "test", SHORT)
    assert found.references == expected.references
    assert found.sources == expected.sources
    assert "lost" in found.origin
    for pair in ("de", "nl"):
        (folder / "raw").mkdir(exist_ok=True)
        shutil.copy(data / "raw" / f"test.en-{pair}.en", folder / "raw")
    mixed = read_test_set(ready_of(System("s", loud), folder), "test", SHORT)
    assert "references for en-de, en-nl:" in mixed.origin


def test_subwords_are_removed():
    dictionary = Dictionary()
    symbols = ["\u2581the", "\u2581ho", "use", "ro@@", "ad", "__en__"]
    index = {symbol: dictionary.add_symbol(symbol) for symbol in symbols}

    def text(names, subwords, **more):
        tokens = [index.get(name, dictionary.unk()) for name in names]
        ends = [dictionary.bos(), *tokens, dictionary.eos(), dictionary.pad()]
        return texts.to_text(ends, dictionary, subwords, {index["__en__"]}, **more)

    pieces = ["__en__", "\u2581the", "\u2581ho", "use"]
    assert text(pieces, "sentencepiece") == "the house"
    assert text(["ro@@", "ad", "ad", "ro@@"], "subword_nmt") == "road ad ro"
    assert text(["ad", "?"], "none") == "ad <unk>"
    assert text(["ad", "?"], "none", unknown="<<unk>>") == "ad <<unk>>"
    assert text([], "sentencepiece") == ""


def test_subwords_are_found_by_the_model_file_or_the_symbols(tmp_path):
    dictionary = Dictionary()
    dictionary.add_symbol("plain")
    assert texts.find_subwords(tmp_path, dictionary) == "none"
    dictionary.add_symbol("ro@@")
    assert texts.find_subwords(tmp_path, dictionary) == "subword_nmt"
    dictionary.add_symbol("\u2581road")
    assert texts.find_subwords(tmp_path, dictionary) == "sentencepiece"
    (tmp_path / "bpe.codes").touch()
    assert texts.find_subwords(tmp_path, dictionary) == "subword_nmt"


@pytest.mark.parametrize(
    "values, named",
    [
        ({"beam": 0}, "--beam must be 1 or more, not 0"),
        ({"max_tokens": -1}, "--max-tokens must be 1 or more, not -1"),
        ({"limit": 0}, "--limit must be 1 or more, not 0"),
        ({"max_len_a": 0.0, "max_len_b": 0}, "--max-len-a 0 --max-len-b 0"),
        ({"remove_bpe": "@@"}, "--remove-bpe @@"),
        ({"fp16": True, "bf16_autocast": True}, "--fp16 and --bf16-autocast"),
        ({"fp16": True, "cpu": True}, "--fp16 needs a GPU"),
    ],
)
def test_impossible_decoding_is_refused(values, named):
    with pytest.raises(LassError, match=named):
        Decoding(**values)


def test_names_of_systems_are_checked():
    first, second = System("a", Path("1.pt")), System("a", Path("2.pt"))
    with pytest.raises(LassError, match="two systems are called 'a'"):
        check_names([first, second])
    for name in ("", "..", "a/b", "a\nb"):
        with pytest.raises(LassError, match="cannot be the name of a system"):
            System(name, Path("1.pt"))
    with pytest.raises(LassError, match="--dense a and --inference-masks a="):
        System("a", Path("1.pt"), "masks", dense=True)


def test_unusable_checkpoints_are_named(base, tmp_path):
    whole = base.read_bytes()
    contents = {
        "empty.pt": b"",
        "text.pt": b"not a checkpoint\n" * 40,
        "half.pt": whole[: len(whole) // 2],
        "almost.pt": whole[:-500],
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(LassError, match=f"{name} (cannot be read|is truncated)"):
            Saved(System("s", tmp_path / name))
    torch.save({"weights": torch.ones(2)}, tmp_path / "other.pt")
    with pytest.raises(LassError, match="other.pt is not a fairseq checkpoint"):
        Saved(System("s", tmp_path / "other.pt"))
    with pytest.raises(LassError, match="there is no file .*missing.pt"):
        Saved(System("s", tmp_path / "missing.pt"))


def changed(base, path, task=None, **model):
    """A copy of *base* with other options of the task or other weights."""
    state = load(base)
    state["cfg"]["task"].update(task or {})
    state["model"].update(model)
    torch.save(state, path)
    return System("s", path)


def test_checkpoints_of_other_tasks_are_refused(base, tmp_path):
    system = changed(base, tmp_path / "a.pt", {"_name": "translation"})
    with pytest.raises(LassError, match="a.pt was trained with --task translation;"):
        Saved(system)
    search = {"_name": "translation_subnetwork_search"}
    system = changed(base, tmp_path / "b.pt", search)
    with pytest.raises(LassError, match="b.pt is of a search and carries no mask"):
        Saved(system)
    Saved(replace(system, dense=True))


def test_weights_that_are_not_finite_are_named(base, data, tmp_path):
    name = "encoder.layers.0.fc1.weight"
    weight = load(base)["model"][name]
    weight[0, 0] = float("nan")
    system = changed(base, tmp_path / "nan.pt", **{name: weight})
    with pytest.raises(LassError, match=f"{name} of .*nan.pt is not finite"):
        translations(system, data)


def test_a_dictionary_of_another_size_is_refused_with_both_sizes(base, data, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    for path in folder.glob("dict.*.txt"):
        path.write_text(path.read_text() + "more 1\n")
    with pytest.raises(LassError, match=r"79 symbols, .*\(80 symbols"):
        ready_of(System("s", base), folder)
    old = load(base)
    del old["task_state"]["dictionaries"]  # as an earlier version wrote it
    torch.save(old, tmp_path / "old.pt")
    with pytest.raises(LassError, match="has 80 symbols.* encoder .* with 79"):
        ready_of(System("s", tmp_path / "old.pt"), folder)


def test_a_pair_without_mask_or_data_is_named(loud, masks, data, tmp_path):
    shutil.copytree(masks, tmp_path / "fewer")
    (tmp_path / "fewer" / "en-nl.safetensors").unlink()
    with pytest.raises(LassError, match="system s has no mask of en-nl"):
        ready_of(System("s", loud, str(tmp_path / "fewer")), data)
    system = System("s", loud)
    with pytest.raises(LassError, match="no dev data of de-en"):
        read_test_set(ready_of(system, data), "dev", SHORT)
    with pytest.raises(LassError, match="no test data of de-nl"):
        read_test_set(ready_of(system, data, ["de-nl"]), "test", SHORT)
    with pytest.raises(LassError, match="fr"):
        ready_of(system, data, ["de-fr"])


def test_masks_of_another_model_are_refused(loud, data, tmp_path):
    mask = Mask.from_tensors(
        "de-en",
        {"encoder.layers.0.fc1.weight": torch.ones(4, 4) > 0},
        Provenance("random", 0.0),
    )
    save_mask(tmp_path / "de-en.safetensors", mask)
    with pytest.raises(LassError, match="mask of de-en has shape .*loud.pt"):
        ready_of(System("s", loud, str(tmp_path)), data, ["de-en"])


def test_pairs_by_default_are_those_that_all_systems_were_trained_on(base, tmp_path):
    first = Saved(System("first", base))
    assert list(map(str, choose_pairs([first]))) == list(PAIRS)
    fewer = Saved(changed(base, tmp_path / "f.pt", {"lang_pairs": "de-en,en-de,en-nl"}))
    assert len(choose_pairs([fewer, first])) == 3
    with pytest.raises(LassError, match="system s was not trained on nl-en"):
        choose_pairs([first, fewer])
    assert choose_pairs([first, fewer], [Pair("nl", "en")]) == [Pair("nl", "en")]


def test_references_of_another_length_are_refused(loud, data, tmp_path):
    ready = ready_of(System("s", loud), data, ["de-en"])
    (tmp_path / "test.de-en.en").write_text("one\n" * 12)
    with pytest.raises(LassError, match="test.de-en.en has 12 lines .* 13 sentences"):
        read_test_set(ready, "test", SHORT, references=tmp_path)
    ready = ready_of(System("s", loud), data, ["nl-en"])
    with pytest.raises(LassError, match="has no references of nl-en"):
        read_test_set(ready, "test", SHORT, references=tmp_path)


def test_sources_too_long_for_the_model_are_refused_or_cut(loud, data, tmp_path):
    state = load(loud)
    state["cfg"]["task"]["max_source_positions"] = 6
    torch.save(state, tmp_path / "short.pt")
    system = System("s", tmp_path / "short.pt")
    with pytest.raises(LassError, match=r"sentence \d+ of the test data of de-en has"):
        translations(system, data)
    cut = translations(system, data, decoding=replace(SHORT, truncate_source=True))
    assert all(len(lines) == 13 for lines in cut.values())


def test_nothing_is_translated_when_a_later_system_is_at_fault(loud, data, tmp_path):
    systems = [System("a", loud), System("b", tmp_path / "missing.pt")]
    with pytest.raises(LassError, match="missing.pt"):
        evaluate(data, systems, out=tmp_path / "out", decoding=SHORT)
    assert not (tmp_path / "out").exists()


def test_a_folder_with_a_report_is_whole(loud, data, tmp_path, monkeypatch):
    """Who is killed before the report has been written leaves none without run.json,
    whose references nobody could compare."""

    def killed(report, folder):
        assert {path.name for path in Path(folder).iterdir()} >= {
            *("run.json", "references", "sources", "translations")
        }
        raise KeyboardInterrupt

    monkeypatch.setattr(report_file, "write", killed)
    how = replace(SHORT, limit=2, remove_bpe="auto")
    with pytest.raises(KeyboardInterrupt):
        pairs, out = parse_pairs("de-en"), tmp_path / "o"
        evaluate(data, [System("a", loud)], pairs, out=out, decoding=how)
    assert not (tmp_path / "o" / "scores.json").exists()


def test_a_new_process_knows_every_task_that_translates():
    """The tests' own process has imported them all."""
    program = (
        "from lass_plugin.evaluation.systems import _own_tasks\n"
        "print(*_own_tasks(), sep='\\n')"
    )
    told = bare.run(program, path=ROOT)
    assert told.returncode == 0, told.stderr
    there = {path.stem for path in ROOT.glob("lass_plugin/tasks/translation_*.py")}
    assert {*told.stdout.split()} == there and len(there) == 7


def test_what_is_left_in_other_subwords_than_the_references_is_refused(monkeypatch):
    """``--remove-bpe none`` and a system with a dictionary of its own."""
    first = texts.TestSet("test", {"de-en": ["ab"]}, {"de-en": ["a@@ b"]}, "data")
    own = replace(first, references={"de-en": ["ab"]})
    monkeypatch.setattr(texts, "text_steps_of", lambda data: TextSteps())
    monkeypatch.setattr(texts, "read_test_set", lambda *given: own)
    monkeypatch.setattr(
        texts, "keeps_subwords", lambda ready, how: how.remove_bpe == "none"
    )
    system = System("words", Path("words.pt"))
    ready = SimpleNamespace(system=system, data=Path("own"))
    words = replace(SHORT, remove_bpe="auto")
    texts.check_sentences(ready, first, words, Path("data"))
    with pytest.raises(LassError, match="none leaves .* of system words in the subw"):
        texts.check_sentences(ready, first, SHORT, Path("data"))


def test_a_report_says_that_sources_were_cut():
    assert "cut" not in _describe("test", SHORT)
    cut = replace(SHORT, truncate_source=True)
    assert _describe("test", cut).endswith("none, sources cut to what the model takes")
