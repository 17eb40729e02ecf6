"""Extended vocabularies, checkpoints and what was counted, on small numbers."""

from collections import OrderedDict
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from fairseq.data import Dictionary
from fairseq.data.multilingual.multilingual_utils import augment_dictionary
from hypothesis import given
from hypothesis import strategies as st

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.data import subwords
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.data.parallel_text import find_bitexts, sha256
from lass_plugin.data.text_steps import TextSteps
from lass_plugin.errors import LassError
from lass_plugin.evaluation import report_file
from lass_plugin.evaluation.ctranslate2_engine import CTranslate2Translator
from lass_plugin.experiments.new_pairs import run as extension
from lass_plugin.experiments.new_pairs.checkpoint import extended
from lass_plugin.experiments.new_pairs.models import SubwordModel
from lass_plugin.experiments.new_pairs.report import (
    bilingual_scores,
    draw_curve,
    mean_curve,
    read_bilingual,
)
from lass_plugin.experiments.new_pairs.run import stage_of, watches_fewer
from lass_plugin.experiments.new_pairs.scores import effect_of
from lass_plugin.experiments.new_pairs.settings import ExtendSettings
from lass_plugin.experiments.new_pairs.vocabulary import (
    Vocabulary,
    count_text,
    extend_vocabulary,
)
from lass_plugin.experiments.stage import Stage, State
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.masks import Mask, MaskSet, Provenance
from lass_plugin.masks.file import from_state, to_state
from lass_plugin.methods.export_settings import ExportSettings
from lass_plugin.methods.subnetworks import method as subnetworks
from lass_plugin.methods.subnetworks.extension import (
    Extension,
    choosing_from,
    read_symbols,
)
from lass_plugin.methods.subnetworks.holding import Holding, parse_holding

SITE = "encoder.layers.0.fc1.weight"
EMBEDDING = "encoder.embed_tokens.weight"
DECODER = "decoder.embed_tokens.weight"
OUTPUT = "decoder.output_projection.weight"


def vocabulary(symbols="a b c", languages="de en", style="multilingual") -> Vocabulary:
    dictionary = Dictionary()
    for count, symbol in enumerate(symbols.split()):
        dictionary.add_symbol(symbol, count)
    tokens = LanguageTokens(tuple(languages.split()), "src", True, style)
    tokens.add_to(dictionary)
    return Vocabulary(dictionary, tokens)


# -- vocabulary ------------------------------------------------------------------------


def test_symbols_are_appended_in_the_stated_order(tmp_path):
    old = vocabulary()
    counts = {"y": 3, "x": 3, "z": 5, "b": 9, "rare": 1}
    new = extend_vocabulary(old, parse_pairs("en-uk,be-en"), counts, least=2)
    assert new.dictionary.symbols[4:] == (
        ["a", "b", "c", "__de__", "__en__", "z", "x", "y", "__be__", "__uk__"]
    )
    assert new.tokens.languages == ("de", "en", "be", "uk")
    assert old.dictionary.symbols[4:] == ["a", "b", "c", "__de__", "__en__"]
    assert new.seen() == [5, 6, 9, 10, 11]  # a has the count 0
    new.save(tmp_path / "dict.txt")
    stock = Dictionary.load(str(tmp_path / "dict.txt"))
    augment_dictionary(stock, list(new.tokens.languages), "multilingual")
    assert stock == new.dictionary


words = st.lists(st.sampled_from("abcdefgh"), max_size=8)


@given(words, words, words, st.sampled_from(["multilingual", "mbart"]))
def test_no_old_index_ever_moves(first, second, third, style):
    """Also when a model is extended twice, and when tokens are adopted anew."""
    old = vocabulary(" ".join(dict.fromkeys(first)), style=style)
    middle = extend_vocabulary(old, parse_pairs("en-uk"), dict.fromkeys(second, 1))
    new = extend_vocabulary(middle, parse_pairs("uk-en,fr-pl"), dict.fromkeys(third, 2))
    for before, after in ((old, middle), (middle, new)):
        size = len(before)
        assert after.dictionary.symbols[:size] == before.dictionary.symbols
        assert len(set(after.dictionary.symbols)) == len(after)
    again = Dictionary()  # as it is read from its file
    for symbol in new.dictionary.symbols[again.nspecial :]:
        again.add_symbol(symbol)
    old.tokens.add_to(again)
    old.tokens.remove_from(again)
    new.tokens.add_to(again)
    assert again == new.dictionary


def test_tokens_are_removed_as_they_were_added():
    dictionary = vocabulary("a b", "de en").dictionary
    LanguageTokens(("de", "en")).remove_from(dictionary)
    assert dictionary.symbols[4:] == ["a", "b"]
    assert len(dictionary) == len(dictionary.count) == len(dictionary.indices)
    LanguageTokens(("nl",)).remove_from(dictionary)
    assert len(dictionary) == 6


def test_a_language_token_in_the_text_is_refused():
    with pytest.raises(LassError, match="holds the word __uk__"):
        extend_vocabulary(vocabulary(), parse_pairs("en-uk"), {"__uk__": 1})


def test_unknown_characters_are_spelled_and_can_be_read_again(tmp_path):
    sentences = ["the cat sat on the mat", "a dog ate the cat"] * 20
    model = tmp_path / "spm.model"
    model.write_bytes(subwords.train_sentencepiece(sentences, 18, 1.0))
    plain = subwords.Subwords("sentencepiece", model, sha256(model))
    spelled = SubwordModel.find(tmp_path, Dictionary()).encoder()
    assert spelled.encode(sentences) == plain.encode(sentences)
    (line,) = spelled.encode(["the кіт"])
    assert line.split()[-3:] == ["к", "і", "т"]
    assert line.replace(" ", "").replace("\u2581", " ").strip() == "the кіт"
    for code, text in (("en", "the cat\n"), ("uk", "кіт\n")):
        (tmp_path / f"train.en-uk.{code}").write_text(text)
    texts, _ = find_bitexts(tmp_path, parse_pairs("uk-en"))
    counts = count_text(texts, spelled, TextSteps())
    assert counts["к"] == counts["і"] == counts["т"] == 1 and "" not in counts


def test_subwords_without_their_model_are_refused(tmp_path):
    dictionary = Dictionary()
    dictionary.add_symbol("\u2581the")
    with pytest.raises(LassError, match="give the SentencePiece model"):
        SubwordModel.find(tmp_path, dictionary)
    with pytest.raises(LassError, match="there is no SentencePiece model --spm-model"):
        SubwordModel.find(tmp_path, dictionary, tmp_path / "x.model")


# -- checkpoint ------------------------------------------------------------------------


def mask(key="de-en", **kept) -> Mask:
    masks = {
        name: torch.tensor(value, dtype=torch.bool) for name, value in kept.items()
    }
    return Mask.from_tensors(key, masks, Provenance("random", 0.5), {})


def made(content: dict) -> Checkpoint:
    return Checkpoint(Path("x.pt"), content)


def checkpoint(old: Vocabulary, shared: bool = True, masks=None) -> dict:
    embedding = torch.arange(2.0 * len(old)).view(-1, 2)
    model = {EMBEDDING: embedding, DECODER: embedding, OUTPUT: embedding}
    if not shared:
        model = {name: value + n for n, (name, value) in enumerate(model.items())}
    model[SITE] = torch.ones(2, 2)
    model["encoder.layer_norm.bias"] = torch.ones(2)
    state = {"language_tokens": old.tokens.to_dict()}
    if masks is not None:
        state["masks"] = to_state(MaskSet(masks))
    task = {"_name": "translation_subnetwork", "langs": None, "masks": "x"}
    task |= {"lang_pairs": "de-en", "lang_dict": "x"}
    return {
        "args": None,
        "cfg": {"model": {"share_all_embeddings": shared}, "task": task},
        "model": model,
        "task_state": state,
        "optimizer_history": [{"num_updates": 3}],
        "last_optimizer_state": {"state": 1},
        "extra_state": {"train_iterator": {"epoch": 9}, "best": 1},
    }


@pytest.mark.parametrize("shared", [True, False])
def test_rows_are_appended_and_begun_as_stated(shared):
    old = vocabulary()
    new = extend_vocabulary(old, parse_pairs("en-uk"), dict.fromkeys("xyz", 1))
    before = checkpoint(old, shared)
    after = extended(made(before), old, new, parse_pairs("de-en"))
    size = len(old)
    for name in (EMBEDDING, DECODER, OUTPUT):
        matrix = after["model"][name]
        assert torch.equal(matrix[:size], before["model"][name])
        assert matrix.shape == (size + 4, 2)
        # __de__ and __en__ are the rows 7 and 8; b and c, which were seen, 5 and 6
        token = matrix[new.language_tokens()[-1]]
        assert torch.equal(token, matrix[7:9].mean(dim=0))
        drawn = (matrix[size : size + 3] - matrix[5:7].mean(dim=0)).abs()
        assert 0 < drawn.min() and drawn.max() < 5  # the deviation is 1
    assert (after["model"][EMBEDDING] is after["model"][OUTPUT]) is shared
    assert torch.equal(after["model"][SITE], before["model"][SITE])
    assert after["last_optimizer_state"] is None
    assert after["task_state"]["symbols"] == {"de-en": size}
    task = after["cfg"]["task"]
    assert task["langs"] == "de,en,uk" and task["masks"] is task["lang_dict"] is None
    assert before["cfg"]["task"]["masks"] == "x"  # theirs is as it was
    twice = extended(made(before), old, new, parse_pairs("de-en"))
    assert torch.equal(twice["model"][OUTPUT], after["model"][OUTPUT])
    other = extended(made(before), old, new, parse_pairs("de-en"), seed=2)
    assert not torch.equal(other["model"][OUTPUT], after["model"][OUTPUT])


def test_a_second_extension_keeps_what_the_first_pairs_know():
    old = vocabulary()
    middle = extend_vocabulary(old, parse_pairs("en-uk"), {"x": 1})
    new = extend_vocabulary(middle, parse_pairs("en-fr"), {"y": 1})
    first = extended(made(checkpoint(old)), old, middle, parse_pairs("de-en"))
    second = extended(made(first), middle, new, parse_pairs("de-en,en-uk"))
    symbols = {"de-en": len(old), "en-uk": len(middle)}
    assert second["task_state"]["symbols"] == symbols
    assert Extension(symbols).first_new_symbol == len(middle)


def test_what_leaves_an_older_pair_all_symbols_says_so(monkeypatch, capsys):
    old = vocabulary()
    new = extend_vocabulary(old, parse_pairs("en-uk"), {"x": 1})
    masks = [mask(**{SITE: [[True, False], [False, True]]})]
    before = made(checkpoint(old, masks=masks))
    content = extended(before, old, new, parse_pairs("de-en"))
    monkeypatch.setattr(subnetworks, "exported", lambda *words: {})
    given = ExportSettings(
        checkpoint=Path("x.pt"), out=Path("y.pt"), pair=parse_pairs("de-en")[0]
    )
    method = subnetworks.Subnetworks(from_state(content["task_state"]["masks"]))
    told = f"de-en knows the first {len(old)} of {len(new)} symbols"
    method.export(made(content), given)
    assert f"note: {told}" in capsys.readouterr().err
    method.export(before, given)
    assert not capsys.readouterr().err
    engine = object.__new__(CTranslate2Translator)
    engine._held = OrderedDict()
    engine.task = SimpleNamespace(
        symbols={"de-en": len(old)}, target_dictionary=new.dictionary
    )
    with pytest.raises(LassError, match=f"{told}.*leave --engine out"):
        engine.load(["de-en"])


def test_masks_of_embeddings_leave_new_rows_out():
    old = vocabulary("a", "de")
    kept = [[True, False]] * len(old)
    masks = [mask(**{EMBEDDING: kept, SITE: [[True, False], [False, True]]})]
    new = extend_vocabulary(old, parse_pairs("de-uk"), {"x": 1})
    after = extended(made(checkpoint(old, masks=masks)), old, new, parse_pairs("de-en"))
    grown = from_state(after["task_state"]["masks"])["de-en"]
    assert grown.unpack(EMBEDDING).tolist() == [*kept, *[[False, False]] * 2]
    assert grown.unpack(SITE).tolist() == [[True, False], [False, True]]
    grown.check_fits({name: after["model"][name] for name in (EMBEDDING, SITE)})


def test_another_vocabulary_is_refused():
    old, other = vocabulary(), vocabulary("a b")
    with pytest.raises(LassError, match="9 rows.*8 symbols"):
        extended(made(checkpoint(old)), other, other, [])
    adaptive = checkpoint(old)
    adaptive["model"]["decoder.adaptive_softmax.head.weight"] = torch.ones(1)
    with pytest.raises(LassError, match="adaptive softmax"):
        extended(made(adaptive), old, old, [])


@pytest.mark.parametrize("symbols", [{"de-en": 0}, {"de-en": "3"}, [3], {1: 2}])
def test_damaged_numbers_of_symbols_are_refused(symbols):
    with pytest.raises(LassError, match="x.pt are damaged"):
        read_symbols({"symbols": symbols}, "x.pt")


# -- what holds still, what is hidden --------------------------------------------------


def test_a_training_begins_from_what_it_extends(tmp_path):
    kept, removed = [[True, False]], [[False, True]]
    older, new = mask("de-en", w=kept), mask("en-uk", w=removed)

    def saved(name: str, symbols: dict, *masks: Mask) -> str:
        state = {"symbols": symbols, "masks": to_state(MaskSet(masks))}
        content = {"model": {"w": torch.ones(1, 2)}, "task_state": state}
        torch.save(content, tmp_path / name)
        return str(tmp_path / name)

    path = saved("extended.pt", {"de-en": 7}, older)
    extension = Extension.read(path)
    extension.check_start(path, path)
    goes_on = saved("checkpoint_last.pt", {"de-en": 7}, older, new)
    extension.check_start(path, goes_on)
    with pytest.raises(LassError, match="and this training begins from nothing"):
        extension.check_start(path, None)
    for others in (
        saved("symbols.pt", {"de-en": 8}, older),
        saved("masks.pt", {"de-en": 7}, mask("de-en", w=removed)),
        saved("base.pt", {}, older),
        saved("damaged.pt", {"de-en": 7}, new),
    ):
        with pytest.raises(LassError, match="which has other older pairs than --ext"):
            extension.check_start(path, others)


def test_unknown_holds_are_refused_by_name():
    assert parse_holding("shared, others") == ("others", "shared")
    assert parse_holding(None) == parse_holding("") == ()
    with pytest.raises(LassError, match="'biases'"):
        parse_holding("biases")


def test_held_parameters_have_gradients_of_zero_but_for_new_rows():
    model = torch.nn.Module()
    model.encoder = torch.nn.Module()
    model.encoder.embed_tokens = torch.nn.Embedding(4, 2)
    model.encoder.bias = torch.nn.Parameter(torch.ones(2))
    model.encoder.fc1 = torch.nn.Linear(2, 2, bias=False)
    sites = {"encoder.fc1.weight": model.encoder.fc1.weight}
    assert Holding().shared_parameters(model, sites) == {}
    held = Holding(symbols=3).shared_parameters(model, sites)
    assert set(held) == {"encoder.bias", "encoder.embed_tokens.weight"}
    assert held["encoder.embed_tokens.weight"].bits.tolist() == [0b11000000]
    assert held["encoder.bias"].bits.tolist() == [0]
    whole = model.encoder.embed_tokens(torch.arange(4)) + model.encoder.bias
    (model.encoder.fc1(whole).sum() * float("inf")).backward()
    assert model.encoder.embed_tokens.weight.grad[:3].tolist() == [[0.0, 0.0]] * 3
    assert not torch.isfinite(model.encoder.embed_tokens.weight.grad[3]).all()
    assert model.encoder.bias.grad.tolist() == [0.0, 0.0]


def test_hidden_symbols_get_no_probability():
    model = torch.nn.Module()
    model.decoder = torch.nn.Module()
    model.decoder.output_projection = torch.nn.Linear(2, 4, bias=False)
    features = torch.randn(3, 2)
    logits = model.decoder.output_projection(features)
    with choosing_from([model], 3):
        hidden = model.decoder.output_projection(features)
    assert torch.equal(hidden[:, :3], logits[:, :3])
    assert torch.equal(hidden.softmax(-1)[:, 3], torch.zeros(3))
    torch.testing.assert_close(hidden.softmax(-1)[:, :3], logits[:, :3].softmax(-1))
    with choosing_from([model], None):
        assert torch.equal(model.decoder.output_projection(features), logits)
    assert torch.equal(model.decoder.output_projection(features), logits)
    del model.decoder.output_projection
    with pytest.raises(LassError, match="no plain output projection"):
        choosing_from([model], 3).__enter__()


# -- what is counted and drawn ---------------------------------------------------------


def test_an_effect_by_hand():
    old = vocabulary("a", "de")  # six symbols
    masks = MaskSet([mask(**{SITE: [[True, True], [True, False]]})])
    new = MaskSet(
        [
            mask("en-uk", **{SITE: [[True, False], [False, True]]}),
            mask("uk-en", **{SITE: [[True, False], [True, False]]}),
        ]
    )
    before = checkpoint(old)
    after = {**before, "model": {k: v.clone() for k, v in before["model"].items()}}
    same = effect_of("de-en", made(before), made(after), 6, masks, new)
    nothing = {"moved": 0, "shared_moved": 0, "unchanged": True}
    assert same == {"kept": 3, "overlap": 2, **nothing}
    after["model"][SITE][1] = torch.tensor([2.0, 3.0])  # one inside, one outside
    for name in (EMBEDDING, DECODER, OUTPUT):
        after["model"][name][5] = -1.0  # the last symbol that the pair knows
    five = effect_of("de-en", made(before), made(after), 5, masks, new)
    assert (five["moved"], five["shared_moved"]) == (1, 0)
    six = effect_of("de-en", made(before), made(after), 6, masks, new)
    assert (six["moved"], six["shared_moved"], six["unchanged"]) == (1, 2, False)
    dense = effect_of("de-en", made(before), made(after), 6)
    assert (dense["kept"], dense["overlap"], dense["moved"]) == (None, None, 4)
    before["model"][SITE][0, 0], after["model"][SITE][0, 0] = 0.0, -0.0
    zero = effect_of("de-en", made(before), made(after), 5, masks, new)
    assert zero["moved"] == 2


def test_the_curve_is_the_mean_of_the_pairs(tmp_path: Path):
    points = [
        {"way": way, "step": step, "pair": pair, "new": pair == "en-uk"}
        | {"scores": {"BLEU": {"value": float(step + len(way) + place)}}}
        for way in ("disjoint", "dense")
        for step in (0, 5)
        for place, pair in enumerate(("en-uk", "de-en", "nl-en"))
    ]
    chosen = [p for p in points if p["way"] == "dense" and not p["new"]]
    assert mean_curve(chosen, "BLEU") == ([0, 5], [6.5, 11.5])
    written = draw_curve(points, tmp_path / "curve")
    assert [path.name for path in written] == ["curve.png", "curve.svg"]
    svg = written[1].read_text()
    for text in ("new: en-uk", "older: de-en, nl-en", "disjoint", "dense", "BLEU"):
        assert text in svg
    before = [path.read_bytes() for path in written]
    assert [
        path.read_bytes() for path in draw_curve(points, tmp_path / "curve")
    ] == before
    alone = {"en-uk": {"BLEU": 17.0}}
    _, svg = draw_curve(points, tmp_path / "level", bilingual=alone)
    assert "bilingual" in svg.read_text()


def test_models_of_the_new_pairs_alone(tmp_path: Path):
    from made_up_reports import report_of

    report_file.write(report_of(alone={"en-uk": 17.0}), tmp_path)
    settings = partial(
        ExtendSettings,
        checkpoint=Path("c.pt"),
        data=Path("data"),
        text=Path("text"),
        out=tmp_path,
        bilingual=tmp_path,
    )
    with pytest.raises(LassError, match="no scores of the new pair uk-en"):
        read_bilingual(settings(pairs=parse_pairs("en-uk,uk-en")))
    system = read_bilingual(settings(pairs=parse_pairs("en-uk")))
    bleu = {"value": 9.0, "signature": "nrefs:1|tok:13a"}
    new = {"pair": "en-uk", "new": True, "sentences": 50, "scores": {"BLEU": bleu}}
    old = {**new, "pair": "de-en", "new": False}
    assert bilingual_scores(system, [old, new])["en-uk"]["BLEU"] == 17.0
    for change in ({"sentences": 49}, {"scores": {"BLEU": {"signature": "other"}}}):
        with pytest.raises(LassError, match="other sentences of en-uk"):
            bilingual_scores(system, [{**new, **change}])


@pytest.mark.parametrize(
    "extend, updates, at_end, written",
    [
        ("extended.pt", 10, True, True),
        ("extended.pt", 10, False, False),  # fairseq has written it
        ("extended.pt", 9, True, False),
        (None, 10, True, False),
    ],
)
def test_a_point_at_the_end_of_an_epoch_is_kept(
    extend, updates, at_end, written, tmp_path, monkeypatch
):
    from types import SimpleNamespace

    from fairseq import checkpoint_utils

    from lass_plugin.fairseq_fixes.interval_checkpoints import keep_points_at_epoch_ends

    def stock(cfg, *_):
        (tmp_path / "checkpoint_last.pt").write_text("weights")
        return "saved"

    monkeypatch.setattr(checkpoint_utils, "save_checkpoint", stock)
    keep_points_at_epoch_ends()
    keep_points_at_epoch_ends()
    trainer = SimpleNamespace(
        task=SimpleNamespace(cfg=SimpleNamespace(extend=extend)),
        should_save_checkpoint_on_current_rank=True,
        get_num_updates=lambda: updates,
    )
    epochs = SimpleNamespace(epoch=3, end_of_epoch=lambda: at_end)
    cfg = SimpleNamespace(save_dir=str(tmp_path), save_interval_updates=5)
    assert checkpoint_utils.save_checkpoint(cfg, trainer, epochs, None) == "saved"
    point = tmp_path / f"checkpoint_3_{updates}.pt"
    assert point.is_file() is written


@pytest.mark.parametrize(
    "updates, points, interval", [(10, 5, 2), (10, 3, 4), (3, 3, 1)]
)
def test_points_are_never_more_than_asked_for(updates, points, interval):
    from lass_plugin.experiments.new_pairs.settings import ExtendSettings
    from lass_plugin.settings import parse_words

    words = ["x.pt", "--data", "data", "--text", "text", "--pairs", "en-uk"]
    words += ["--out", "out", "--updates", updates, "--points", points]
    settings = parse_words(ExtendSettings, words)
    assert settings.interval == interval


@pytest.mark.parametrize(
    "before, now, fewer",
    [
        ([], ["de-en"], True),
        (["de-en", "en-nl"], ["de-en"], True),
        (["de-en"], ["de-en"], True),
        (["de-en"], ["en-nl"], False),
        (["de-en"], [], False),
        (None, ["de-en"], False),
    ],
)
def test_fewer_older_pairs_may_be_watched_when_it_goes_on(before, now, fewer):
    assert watches_fewer(before, now) is fewer


def test_an_extension_goes_on_with_fewer_older_pairs_but_not_with_other_data(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(extension, "flags_of", lambda *_: Mock(identity=dict))
    monkeypatch.setattr(extension.content, "of_weights", lambda _: "sha256:0")
    data, text = tmp_path / "data", tmp_path / "text"
    for folder in (data, text):
        folder.mkdir()
    files = [data / f"test.{pair}.en.bin" for pair in ("de-en", "fr-en")]
    for path in files:
        path.write_text(path.name)

    def begun(*watched: str, **given) -> Stage:
        settings = ExtendSettings(
            checkpoint=tmp_path / "joint.pt",
            data=data,
            text=text,
            pairs=(Pair("en", "uk"),),
            out=tmp_path / "out",
            **given,
        )
        return stage_of(settings, parse_pairs(watched))

    begun("de-en", "fr-en").begin()
    fewer = {"old_pairs": (Pair("de", "en"),)}
    assert begun("de-en", **fewer).state() is State.CONTINUE
    files[1].unlink()
    assert begun("de-en", **fewer).state() is State.CONTINUE
    files[0].write_text("other")
    with pytest.raises(LassError, match="another test.de-en.en.bin"):
        begun("de-en", **fewer).state()
