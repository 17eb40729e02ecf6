"""Encoders from elsewhere: older names, Hugging Face's layouts, some of the layers."""

import gzip
import json
from argparse import Namespace

import pytest
import sentencepiece
import torch
from encoders import as_public
from runs import assert_same
from safetensors.torch import save_file

from lass_plugin.anatomy.older_names import todays_names
from lass_plugin.checkpoints.architecture import differing_options
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.encoders.folder import mlm_head_of, write_encoder
from lass_plugin.checkpoints.encoders.huggingface import read_encoder
from lass_plugin.checkpoints.encoders.layers import with_layers
from lass_plugin.checkpoints.encoders.modules import check_modules, with_modules
from lass_plugin.checkpoints.encoders.shape import EncoderShape, shape_of
from lass_plugin.checkpoints.encoders.trimmed import trim_encoder
from lass_plugin.data.dictionaries import dictionary_of_pieces, load_dictionary
from lass_plugin.data.masked_blocks import MASK
from lass_plugin.data.piece_files import unigram_model
from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes import prepare_fairseq

WIDTH, LAYERS = 16, 3


@pytest.fixture(scope="module")
def dictionary(language_data):
    found = load_dictionary(language_data / "dict.txt")
    found.add_symbol(MASK)
    return found


def scored(language_data) -> list[tuple[str, float]]:
    model = sentencepiece.SentencePieceProcessor(
        model_file=str(language_data / "spm.model")
    )
    numbers = range(3, model.get_piece_size())
    return [(model.id_to_piece(n), model.get_score(n)) for n in numbers]


def build(options: dict, dictionary):
    from fairseq.models import build_model

    prepare_fairseq()
    torch.manual_seed(5)
    model = build_model(Namespace(**options), Namespace(source_dictionary=dictionary))
    return model.eval()


SHAPE = EncoderShape(layers=LAYERS, width=WIDTH, feed_forward=24, heads=2, positions=20)


def test_a_written_model_encodes_as_the_one_its_pieces_are_of(language_data, tmp_path):
    path = tmp_path / "pieces.model"
    path.write_bytes(unigram_model(scored(language_data)))
    ours, theirs = (
        sentencepiece.SentencePieceProcessor(model_file=str(each))
        for each in (path, language_data / "spm.model")
    )
    for text in ("deab  enfa swbc", "ＤＥ deX", "de\u00a0ab ①", ""):
        assert ours.encode(text) == theirs.encode(text)


def test_the_first_head_passes_on_what_the_encoder_gives(dictionary):
    model = build(SHAPE.options(), dictionary)
    embedding = torch.randn(len(dictionary), WIDTH) * 0.3
    head = {
        n.removeprefix("encoder.lm_head."): w for n, w in mlm_head_of(embedding).items()
    }
    model.encoder.lm_head.load_state_dict(head)
    states = torch.randn(50, WIDTH)
    logits = model.encoder.lm_head(states)
    normal = torch.nn.functional.layer_norm(states, (WIDTH,)) @ embedding.T
    expected = normal / (WIDTH**0.5 * embedding.square().mean().sqrt())
    assert torch.allclose(logits, expected, atol=1e-4)
    assert 0.9 < float(logits.std()) < 1.1


TOKENS = torch.tensor([[0, 7, 9, 12, 2], [0, 8, 2, 1, 1]])


def test_older_names_load_as_they_are(dictionary):
    model = build(SHAPE.options(), dictionary)
    old = as_public(model.state_dict())
    assert "decoder.sentence_encoder.layers.0.self_attn.in_proj_weight" in old
    assert "decoder.sentence_encoder.emb_layer_norm.weight" in old
    other = build({**SHAPE.options()}, dictionary)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    other.load_state_dict(old, model_cfg=other.args)
    assert torch.equal(model(TOKENS)[0], other(TOKENS)[0])
    old, new = as_public(model.state_dict()), model.state_dict()
    assert_same(todays_names(old), new)
    assert_same(todays_names(new), new)


def huggingface(folder, kind: str, language_data, weights=None, **changes) -> None:
    """A folder in Hugging Face's layout with random weights, or those given."""
    pieces = scored(language_data)
    symbols, positions = len(pieces) + 5, 20 + 2 * (kind == "xlm-roberta")
    config = {
        "model_type": kind,
        "hidden_act": "gelu",
        "num_hidden_layers": LAYERS,
        "hidden_size": WIDTH,
        "intermediate_size": 24,
        "num_attention_heads": 2,
        "max_position_embeddings": positions,
        "layer_norm_eps": 1e-12 if kind == "bert" else 1e-5,
        "vocab_size": symbols + 3,
        "type_vocab_size": 2,
        "pad_token_id": 1 if kind == "xlm-roberta" else 0,
        **changes,
    }
    (folder / "config.json").write_text(json.dumps(config))
    own = [[name, 0.0] for name in ("<s>", "<pad>", "</s>", "<unk>")]
    vocab = [*own, *map(list, pieces), [MASK, 0.0]]
    tokenizer = {"model": {"type": "Unigram", "unk_id": 3, "vocab": vocab}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    if weights is None:
        generator = torch.Generator().manual_seed(3)

        def draw(*shape):
            return torch.randn(*shape, generator=generator) * 0.1

        prefix = "bert" if kind == "bert" else "roberta"
        weights = {
            f"{prefix}.embeddings.word_embeddings.weight": draw(symbols + 3, WIDTH),
            f"{prefix}.embeddings.position_embeddings.weight": draw(positions, WIDTH),
            f"{prefix}.embeddings.token_type_embeddings.weight": draw(2, WIDTH),
            f"{prefix}.pooler.dense.weight": draw(WIDTH, WIDTH),
        }
        for part in ("weight", "bias"):
            weights[f"{prefix}.embeddings.LayerNorm.{part}"] = draw(WIDTH) + 1
            for layer in range(LAYERS):
                start = f"{prefix}.encoder.layer.{layer}"
                for name, rows, columns in (
                    ("attention.self.query", WIDTH, WIDTH),
                    ("attention.self.key", WIDTH, WIDTH),
                    ("attention.self.value", WIDTH, WIDTH),
                    ("attention.output.dense", WIDTH, WIDTH),
                    ("intermediate.dense", 24, WIDTH),
                    ("output.dense", WIDTH, 24),
                ):
                    shape = (rows, columns) if part == "weight" else (rows,)
                    weights[f"{start}.{name}.{part}"] = draw(*shape)
                for name in ("attention.output", "output"):
                    weights[f"{start}.{name}.LayerNorm.{part}"] = draw(WIDTH) + 1
    save_file(weights, folder / "model.safetensors")


@pytest.mark.parametrize("kind", ["xlm-roberta", "bert"])
def test_an_encoder_of_huggingface_becomes_a_folder(
    kind, dictionary, language_data, tmp_path
):
    source = tmp_path / "hf"
    source.mkdir()
    huggingface(source, kind, language_data)
    shape, tensors, pieces, subword_model = read_encoder(source)
    assert shape.positions == 20 and shape.layers == LAYERS
    out = tmp_path / "out"
    write_encoder(out, shape, tensors, pieces, subword_model)
    assert load_dictionary(out / "dict.txt").symbols == dictionary.symbols[:-1]
    checkpoint = Checkpoint.read_whole(out / "model.pt")
    model = build(checkpoint.model_options, dictionary)
    model.load_state_dict(checkpoint.weights, model_cfg=model.args)
    norms = [m.eps for m in model.modules() if isinstance(m, torch.nn.LayerNorm)]
    assert set(norms) == {1e-12 if kind == "bert" else 1e-5}
    positions = model.encoder.sentence_encoder.embed_positions.weight
    from safetensors.torch import load_file

    theirs = load_file(source / "model.safetensors")
    prefix = "bert" if kind == "bert" else "roberta"
    first = 0 if kind == "bert" else 2
    expected = (
        theirs[f"{prefix}.embeddings.position_embeddings.weight"][first]
        + theirs[f"{prefix}.embeddings.token_type_embeddings.weight"][0]
    )
    assert torch.equal(positions[2], expected)
    assert (
        model.encoder.lm_head.weight
        is model.encoder.sentence_encoder.embed_tokens.weight
    )
    with pytest.raises(LassError, match="model.pt exists"):
        write_encoder(out, shape, tensors, pieces, subword_model)


@pytest.mark.parametrize("kind", ["xlm-roberta", "bert"])
def test_outputs_are_those_of_transformers(kind, dictionary, language_data, tmp_path):
    transformers = pytest.importorskip("transformers")
    huggingface(tmp_path, kind, language_data)
    config = json.loads((tmp_path / "config.json").read_text())
    names = {"xlm-roberta": "XLMRoberta", "bert": "Bert"}
    torch.manual_seed(1)
    try:
        build_theirs = getattr(transformers, f"{names[kind]}ForMaskedLM")
    except (ImportError, OSError, RuntimeError) as error:  # of a part that it loads
        pytest.skip(f"transformers cannot be used here: {error}")
    made = getattr(transformers, f"{names[kind]}Config")(**config)
    theirs = build_theirs(made).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():  # biases, too
            parameter.add_(0.05 * torch.randn_like(parameter))
    weights = {
        name: value.clone()
        for name, value in theirs.state_dict().items()
        if "decoder." not in name
    }
    huggingface(tmp_path, kind, language_data, weights)
    shape, tensors, _, _ = read_encoder(tmp_path)
    ours = build(shape.options(), dictionary)
    ours.load_state_dict(tensors, model_cfg=ours.args)
    mask = (TOKENS != 1).long()
    with torch.no_grad():
        found = ours(TOKENS)[0]
        expected = theirs(TOKENS, attention_mask=mask).logits[..., : len(dictionary)]
    real = mask.bool()
    assert torch.allclose(found[real], expected[real], atol=2e-5)


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"model_type": "gpt2"}, "of the kind gpt2"),
        ({"hidden_act": "relu"}, "hidden_act relu"),
        ({"hidden_size": 15}, "width 15 cannot have 2 heads"),
    ],
)
def test_other_encoders_are_refused(language_data, tmp_path, changes, told):
    huggingface(tmp_path, "bert", language_data, **changes)
    with pytest.raises(LassError, match=told):
        read_encoder(tmp_path)


def test_pieces_of_another_kind_are_refused(language_data, tmp_path):
    huggingface(tmp_path, "bert", language_data)
    (tmp_path / "tokenizer.json").write_text('{"model": {"vocab": {"a": 1}}}')
    with pytest.raises(LassError, match="not of the unigram kind"):
        read_encoder(tmp_path)
    with pytest.raises(LassError, match="no .*config.json"):
        read_encoder(tmp_path / "none")


@pytest.mark.parametrize(
    "steps, told",
    [
        ([{"type": "Precompiled", "precompiled_charsmap": "AA=="}], None),
        ([{"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}], None),
        ([{"type": "Lowercase"}], "normalized by Lowercase"),
        ([{"type": "Replace", "pattern": {"String": "``"}}], "Replace .*``"),
        ([5], "normalized by None"),
    ],
)
def test_text_in_another_form_than_xlm_rs_is_refused(
    language_data, tmp_path, steps, told
):
    huggingface(tmp_path, "bert", language_data)
    tokenizer = json.loads((tmp_path / "tokenizer.json").read_text())
    tokenizer["normalizer"] = {"type": "Sequence", "normalizers": steps}
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    if told is None:
        assert read_encoder(tmp_path)
        return
    with pytest.raises(LassError, match=told):
        read_encoder(tmp_path)


def checkpoint_of(model, tmp_path) -> Checkpoint:
    content = {
        "args": None,
        "cfg": {"model": SHAPE.options()},
        "model": model.state_dict(),
    }
    return Checkpoint(tmp_path / "model.pt", content)


def test_every_second_layer_or_those_that_are_named(dictionary, tmp_path):
    model = build(SHAPE.options(), dictionary)
    whole = checkpoint_of(model, tmp_path)
    half = with_layers(whole, ())
    assert half["cfg"]["model"]["encoder_layers"] == 2
    student = build(half["cfg"]["model"], dictionary)
    student.load_state_dict(half["model"], model_cfg=student.args)
    teacher = model.encoder.sentence_encoder
    del teacher.layers[1]
    assert torch.equal(student(TOKENS)[0], model(TOKENS)[0])
    only = with_layers(whole, (2,))["model"]
    name = "encoder.sentence_encoder.layers.{}.fc1.weight"
    assert torch.equal(only[name.format(0)], whole.weights[name.format(2)])
    assert name.format(1) not in only
    for layers, told in (((0, 3), "no layer 3"), ((1, 0), "ascending")):
        with pytest.raises(LassError, match=told):
            with_layers(whole, layers)


def test_a_trimmed_encoder_has_the_pieces_of_its_text(language_data, tmp_path):
    texts = tmp_path / "text"
    texts.mkdir()
    lines = ["deab defe deab", "enfa", "", "decd ①"]
    (texts / "one").write_text("\n".join(lines[:2]) + "\n")
    with gzip.open(texts / "two.gz", "wt") as file:
        file.write("\n".join(lines[2:]) + "\n")
    pieces = scored(language_data)
    full = dictionary_of_pieces([piece for piece, _ in pieces], {})
    full.add_symbol(MASK)
    model = build(SHAPE.options(), full)
    write_encoder(
        tmp_path / "whole",
        SHAPE,
        model.state_dict(),
        [piece for piece, _ in pieces],
        unigram_model(pieces),
    )
    made = trim_encoder(tmp_path / "whole", tmp_path / "small", [texts])
    small = load_dictionary(tmp_path / "small" / "dict.txt")
    split = [
        sentencepiece.SentencePieceProcessor(
            model_file=str(tmp_path / name / "sentencepiece.bpe.model")
        ).encode(lines, out_type=str)
        for name in ("whole", "small")
    ]
    assert split[0] == split[1]
    used = {piece for line in split[0] for piece in line}
    short = {piece for piece, _ in pieces if len(piece.removeprefix("▁")) <= 1}
    long = {piece for piece, _ in pieces} - short
    assert set(small.symbols[4:]) == short | used & long and used & long < long
    assert made.pieces == len(small) - 4 and made.before == len(pieces)
    assert made.parameters_gone == (len(pieces) - made.pieces) * WIDTH
    small.add_symbol(MASK)
    content = torch.load(tmp_path / "small" / "model.pt", weights_only=False)
    other = build(SHAPE.options(), small)
    other.load_state_dict(content["model"])
    where = [full.index(symbol) for symbol in small.symbols]
    for line in split[0]:
        tokens = [0, *(full.index(piece) for piece in line), 2]
        scores = model(torch.tensor([tokens]))[0]
        now = other(torch.tensor([[where.index(token) for token in tokens]]))[0]
        assert torch.allclose(now, scores[..., where], atol=1e-6)


@pytest.mark.parametrize("damage", ["dictionary", "text", "there"])
def test_what_cannot_be_trimmed_is_named(language_data, tmp_path, damage):
    pieces = scored(language_data)
    full = dictionary_of_pieces([piece for piece, _ in pieces], {})
    full.add_symbol(MASK)
    model = build(SHAPE.options(), full)
    names = [piece for piece, _ in pieces]
    whole, text = tmp_path / "whole", tmp_path / "text"
    write_encoder(whole, SHAPE, model.state_dict(), names, unigram_model(pieces))
    text.write_text("\n" if damage == "text" else "deab\n")
    if damage == "dictionary":
        with open(whole / "dict.txt", "a") as file:
            file.write("more 1\n")
    out = whole if damage == "there" else tmp_path / "out"
    told = {"dictionary": "dict.txt", "text": "is empty", "there": "exists"}[damage]
    with pytest.raises(LassError, match=told):
        trim_encoder(whole, out, [text])


def test_modules_begin_as_nothing_and_each_language_has_its_own(dictionary, tmp_path):
    model = build(SHAPE.options(), dictionary)
    whole = checkpoint_of(model, tmp_path)
    made = with_modules(whole, ("de", "sw"))
    xmod = build(made["cfg"]["model"], dictionary)
    xmod.load_state_dict(made["model"], model_cfg=xmod.args)
    for language in ("de", "sw"):
        assert torch.equal(xmod(TOKENS, lang_id=[language] * 2)[0], model(TOKENS)[0])
    first = xmod.encoder.sentence_encoder.layers[0].adapter_modules
    with torch.no_grad():
        first["sw"].fc2.weight.add_(0.1)
    assert torch.equal(xmod(TOKENS, lang_id=["de"] * 2)[0], model(TOKENS)[0])
    assert not torch.equal(xmod(TOKENS, lang_id=["sw"] * 2)[0], model(TOKENS)[0])
    again = Checkpoint(tmp_path / "xmod.pt", made)
    with pytest.raises(LassError, match="has modules of languages already"):
        with_modules(again, ("de",))
    check_modules(made["model"], ["sw", "de"], "xmod.pt")
    check_modules(whole.weights, ["fr"], "model.pt")  # has none, so all do for all
    with pytest.raises(LassError, match=r"no module of en \(it has those of de, sw\)"):
        check_modules(made["model"], ["de", "en"], "xmod.pt")


def test_what_layer_norms_add_is_compared_also_where_it_is_not_said(dictionary):
    bert, unsaid = {"layer_norm_eps": 1e-12}, {"layer_norm_eps": None}
    assert [*differing_options(bert, unsaid)] == [("layer_norm_eps", 1e-12, 1e-5)]
    assert not [*differing_options(unsaid, {"arch": "roberta"})]
    assert not [*differing_options(bert, None)]
    weights = build(SHAPE.options(), dictionary).state_dict()
    said = {**SHAPE.options(), **unsaid}  # as of a training without the option
    assert shape_of(weights, said).layer_norm_eps == 1e-5
