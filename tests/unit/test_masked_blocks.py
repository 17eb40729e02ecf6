"""Samples of an encoder: what is masked, where text is cut, what is refused."""

import gzip

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lass_plugin.data.data_folder import subword_model_of
from lass_plugin.data.dictionaries import load_dictionary
from lass_plugin.data.encoder_preparation import prepare_encoder
from lass_plugin.data.masked_blocks import MASK, MaskedBlocks, Masking, load_blocks
from lass_plugin.data.pairs_dataset import PairsDataset
from lass_plugin.data.preparation_settings import EncoderPreparationSettings
from lass_plugin.errors import LassError

FIRST, SYMBOLS, MASK_INDEX = 4, 30, 29


def masked(masking: Masking, tokens, seed=0):
    rng = np.random.default_rng(seed)
    return masking.apply(np.array(tokens), rng, FIRST, SYMBOLS, MASK_INDEX)


def test_shares_of_what_stands_in_place_of_a_token():
    """15 % are chosen: 80 % of these become the mask, 10 % any piece, 10 % stay."""
    tokens = np.full(40_000, 7)
    shown, chosen = masked(Masking(), tokens)
    assert abs(chosen.mean() - 0.15) < 1e-4
    assert (shown[~chosen] == 7).all()
    assert abs((shown[chosen] == MASK_INDEX).mean() - 0.8) < 0.02
    other = (shown[chosen] != MASK_INDEX) & (shown[chosen] != 7)
    assert abs(other.mean() - 0.1 * 24 / 25) < 0.015  # one piece in 25 is the same


@given(st.lists(st.integers(0, SYMBOLS - 1), max_size=30), st.integers(0, 99))
@settings(max_examples=60)
def test_own_symbols_are_never_chosen_and_never_put(tokens, seed):
    shown, chosen = masked(Masking(0.5, 0.1, 0.6), tokens, seed)
    able = [FIRST <= token < MASK_INDEX for token in tokens]
    assert not chosen[~np.array(able, dtype=bool)].any()
    assert chosen.any() == any(able)
    assert (shown[chosen] >= FIRST).all()


def test_any_piece_is_put_but_the_mask():
    shown, chosen = masked(Masking(1.0, 0.0, 1.0), [8] * 5000)
    assert chosen.all() and set(shown) == set(range(FIRST, MASK_INDEX))


@pytest.mark.parametrize(
    "values, named",
    [
        ((0, 0.1, 0.1), "--mask-prob 0"),
        ((1.5, 0.1, 0.1), "--mask-prob 1.5"),
        ((0.15, -0.1, 0.1), "--leave-unmasked-prob"),
        ((0.15, 0.6, 0.6), "more than 1"),
    ],
)
def test_shares_that_are_none(values, named):
    with pytest.raises(LassError, match=named):
        Masking(*values)


@pytest.fixture(scope="module")
def blocks_of(language_data):
    dictionary = load_dictionary(language_data / "dict.txt")
    dictionary.add_symbol(MASK)

    def load(language: str, mode: str = "complete", length: int = 32, number: int = 0):
        blocks = load_blocks(language_data, "train", language, dictionary, length, mode)
        return MaskedBlocks(blocks, language, dictionary, Masking(), (3, number))

    load.dictionary = dictionary
    return load


def same(one: dict, other: dict) -> bool:
    return all(torch.equal(one[name], other[name]) for name in ("source", "target"))


def test_what_is_masked_depends_on_seed_epoch_and_index_only(blocks_of):
    first, again = blocks_of("de"), blocks_of("de")
    first.set_epoch(2)
    again.set_epoch(2)
    numbers = range(len(first))
    before = {n: first[n] for n in numbers}
    assert all(same(before[n], again[n]) for n in reversed(numbers))
    again.set_epoch(3)
    other_seed = blocks_of("de", number=1)
    other_seed.set_epoch(2)
    for other in (again, other_seed):
        assert not all(same(before[n], other[n]) for n in numbers)


def test_whole_sentences_fill_a_sample_or_stand_alone(blocks_of):
    eos, bos = blocks_of.dictionary.eos(), blocks_of.dictionary.bos()
    alone = blocks_of("de", "eos")
    sentences = [alone.blocks[n].tolist() for n in range(len(alone))]
    assert all(each[0] == bos and each.count(eos) == 1 for each in sentences)
    full = blocks_of("de", "complete")
    joined = [full.blocks[n].tolist() for n in range(len(full))]
    assert all(len(each) <= 32 and each[-1] == eos for each in joined)
    assert len(joined) < len(sentences) / 2
    texts = [
        [token for each in all_ for token in each[1:]] for all_ in (sentences, joined)
    ]
    assert texts[0] == texts[1]  # no token is lost


def test_a_batch_has_one_language_and_its_name_for_every_sample(blocks_of):
    parts = {
        code: blocks_of(code, "eos", number=n) for n, code in enumerate(("de", "sw"))
    }
    dataset = PairsDataset(parts, "train", "temperature", 1 / 0.3)
    drawn = dataset.batches(1, training=True, max_tokens=100)
    keys = [{dataset.locate(int(n))[0] for n in batch} for batch in drawn]
    assert all(len(each) == 1 for each in keys)
    batch = dataset.collater([dataset[int(n)] for n in drawn[0]])
    (key,) = keys[0]
    assert batch["language_key"] == key
    assert batch["net_input"]["lang_id"] == [key] * batch["nsentences"]
    pad = blocks_of.dictionary.pad()
    hidden = batch["target"] != pad
    assert hidden.any(1).all()
    assert not (batch["target"] == blocks_of.dictionary.index(MASK)).any()
    dataset.set_epoch(5)
    assert {part.epoch for part in parts.values()} == {5}


def test_a_sample_that_is_too_long_is_named(blocks_of):
    dataset = PairsDataset({"de": blocks_of("de", "eos")}, "train", raising="--longer")
    with pytest.raises(LassError, match=r"of de has \d+ tokens with.* raise --longer"):
        dataset.batches(1, max_tokens=100, limits=3)


def test_symbols_are_the_pieces_in_their_order(language_data):
    """As XLM-R has them: index of the piece in the model, plus one; the mask last."""
    import sentencepiece

    model = sentencepiece.SentencePieceProcessor(
        model_file=str(language_data / "spm.model")
    )
    dictionary = load_dictionary(language_data / "dict.txt")
    assert dictionary.symbols[:4] == ["<s>", "<pad>", "</s>", "<unk>"]
    for index in range(3, model.get_piece_size()):
        assert dictionary.index(model.id_to_piece(index)) == index + 1
    assert len(dictionary) == model.get_piece_size() + 1
    assert dictionary.add_symbol(MASK) == model.get_piece_size() + 1


def prepared(text, out, **more):
    chosen = {"languages": ("de", "sw"), "workers": 1, **more}
    return prepare_encoder(EncoderPreparationSettings(text=text, out=out, **chosen))


def test_files_of_a_pretrained_encoder_are_taken_as_they_are(language_data, tmp_path):
    text = tmp_path / "text"
    text.mkdir()
    (text / "train.de").write_text("dea\n\n\ndebcd deab\n")
    with gzip.open(text / "train.sw.gz", "wt") as file:
        file.write("sw\n")
    given_files = {
        "spm_model": language_data / "spm.model",
        "dictionary": language_data / "dict.txt",
    }
    record = prepared(text, tmp_path / "data", **given_files)
    assert record["counts"]["train.de"]["lines"] == 4
    assert record["counts"]["train.de"]["kept"] == 2
    for name in ("spm.model", "dict.txt"):
        bytes_ = (tmp_path / "data" / name).read_bytes()
        assert bytes_ == (language_data / name).read_bytes()
    models = subword_model_of([tmp_path / "data", language_data])
    assert models.digest is not None
    assert not prepared(text, tmp_path / "data", **given_files)["done"]
    with pytest.raises(LassError, match="--dict belongs to a subword model"):
        prepared(text, tmp_path / "b", dictionary=language_data / "dict.txt")


def test_text_that_is_not_there(tmp_path):
    with pytest.raises(LassError, match="text folder .* does not exist"):
        prepared(tmp_path / "none", tmp_path / "data")
    (tmp_path / "train.de").write_text("a\n")
    with pytest.raises(LassError, match="no training text for sw.*--languages"):
        prepared(tmp_path, tmp_path / "data")
    (tmp_path / "train.sw").write_text("\n \n")
    with pytest.raises(LassError, match="train.sw has no line of text"):
        prepared(tmp_path, tmp_path / "data")
