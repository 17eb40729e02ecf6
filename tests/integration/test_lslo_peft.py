"""Low-rank modules as a LoRA adapter of the library peft, and back."""

import json
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from conftest import ROOT, load
from fairseq.tasks import FairseqTask
from in_process import load_model, logits, translation_task
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.torch_files import save_tensors
from lass_plugin.cli.main import main
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.methods.lowrank.peft import from_peft, make_config, to_peft
from lass_plugin.methods.lowrank.stored import Entry, low_rank_of

DE_EN = Pair("de", "en")


def lass(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def adapter(low_rank, tmp_path_factory):
    """The folder of de-en."""
    out = tmp_path_factory.mktemp("adapter")
    assert lass("lslo", "to-peft", low_rank, "--pair", "de-en", "--out", out) == 0
    return out


def made(content: dict) -> Checkpoint:
    return Checkpoint(Path("it"), content)


def modules_of(checkpoint, pair=DE_EN):
    return {m.matrix.name: m for m in low_rank_of(made(checkpoint), pair).modules}


def test_the_folder_is_as_peft_writes_it(adapter, low_rank):
    config = json.loads((adapter / "adapter_config.json").read_text())
    # de of rank 4 in the first encoder layer, en of rank 5 elsewhere
    assert (config["r"], config["lora_alpha"]) == (5, 5)
    names = [f"self_attn.{kind}_proj" for kind in "qkv"] + ["fc1", "fc2"]
    by_source = {f"encoder.layers.0.{name}": 4 for name in names}
    assert config["rank_pattern"] == config["alpha_pattern"] == by_source
    assert len(config["target_modules"]) == 26
    with safe_open(adapter / "adapter_model.safetensors", framework="pt") as file:
        assert file.metadata()["format"] == "pt"
        assert len(file.keys()) == 52
        name = "base_model.model.model.encoder.layers.0.self_attn.q_proj.lora_A.weight"
        trained = load(low_rank)["model"]
        assert torch.equal(
            file.get_tensor(name),
            trained["encoder.layers.0.self_attn.q_proj.lslo_source.A.de"],
        )
        name = "base_model.model.model.decoder.layers.1.encoder_attn.k_proj.lora_B."
        assert torch.equal(
            file.get_tensor(f"{name}weight"),
            trained["decoder.layers.1.encoder_attn.k_proj.lslo_target.B.en"],
        )


@pytest.mark.parametrize("placement", [None, "source", "target", "first:1"])
def test_there_and_back_is_the_same_bit_for_bit(
    adapter, low_rank, base, tmp_path, placement
):
    out = tmp_path / "back.pt"
    words = ["lslo", "from-peft", adapter, "--pair", "de-en", "--base", base]
    words += ["--placement", placement] if placement else []
    assert lass(*words, "--out", out) == 0
    first, back = modules_of(load(low_rank)), modules_of(load(out))
    assert first.keys() == back.keys()
    for name, module in first.items():
        assert torch.equal(module.a, back[name].a)
        assert torch.equal(module.b, back[name].b)
        assert torch.equal(module.delta(), back[name].delta())


@pytest.mark.parametrize("alpha", [1.0, 16.0, 0.3])
def test_the_scale_survives(low_rank, base, tmp_path, alpha):
    state = load(low_rank)
    state["task_state"]["lslo"]["plan"]["alpha"] = alpha
    to_peft(made(state), DE_EN, tmp_path)
    back = from_peft(tmp_path, DE_EN, base)
    first, again = modules_of(state), modules_of(back)
    for name, module in first.items():
        assert module.scale == again[name].scale == alpha / module.rank
        assert torch.equal(module.delta(), again[name].delta())


def test_an_adapter_goes_with_the_base_that_it_was_trained_in(low_rank, base, tmp_path):
    """Another base of the same shapes translated, otherwise, without a word."""
    adapter = tmp_path / "adapter"
    to_peft(Checkpoint.read(low_rank), DE_EN, adapter)
    content = load(base)
    for name, weight in content["model"].items():
        if weight.dim() == 2:
            content["model"][name] = weight.flip(0)
    torch.save(content, tmp_path / "other.pt")
    from_peft(adapter, DE_EN, base)
    with pytest.raises(LassError, match="another base than .*other.pt"):
        from_peft(adapter, DE_EN, tmp_path / "other.pt")
    path = adapter / "adapter_model.safetensors"
    save_file(load_file(path), path)  # as PEFT saves it
    from_peft(adapter, DE_EN, tmp_path / "other.pt")


def test_the_checkpoint_translates_evaluates_and_exports(
    adapter, low_rank, base, data, commands, tmp_path
):
    back = tmp_path / "back.pt"
    words = ["lslo", "from-peft", adapter, "--pair", "de-en", "--base", base]
    assert lass(*words, "--out", back) == 0
    task, other = (translation_task(data, "-s de -t en") for _ in range(2))
    models = load_model(low_rank, task), load_model(back, other)
    for each, model in ((task, models[0]), (other, models[1])):
        each.method_of(model).bake("de-en")
    assert torch.equal(
        logits(models[0], task, "test"), logits(models[1], other, "test")
    )
    report = tmp_path / "report"
    commands.run(
        *("lass", "evaluate", data, "--system", f"a={low_rank}"),
        *("--system", f"b={back}", "--pairs", "de-en", "--cpu", "--out", report),
    )
    texts = [
        (report / "translations" / name / "test.de-en.en").read_text() for name in "ab"
    ]
    assert texts[0] == texts[1] and texts[0].strip()
    flags = ("--user-dir", "lass_plugin", "--task", "translation_subnetwork")
    result = commands.run(
        *("generate", data, flags[0], ROOT / flags[1], *flags[2:]),
        *("--path", back, "-s", "de", "-t", "en", "--cpu", "--beam", 5),
    )
    lines = [line for line in result.stdout.splitlines() if line.startswith("H-")]
    assert len(lines) == 13
    found = {int(line.split("\t")[0][2:]): line.split("\t")[2] for line in lines}
    assert [found[n] for n in range(13)] == texts[0].splitlines()
    exports = [tmp_path / "first.pt", tmp_path / "second.pt"]
    for path, out in zip((low_rank, back), exports, strict=True):
        assert lass("export", path, "--pair", "de-en", "--out", out) == 0
    first, second = (load(path)["model"] for path in exports)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_reverse_direction_has_the_languages_at_rank_0(adapter, base):
    state = from_peft(adapter, DE_EN, base, "first:1")
    entry = Entry.from_state(state["task_state"]["lslo"], "it")
    assert entry.plan.ranks["encoder.layers.0.fc1"] == {"de": 4, "en": 0}
    assert entry.plan.ranks["encoder.layers.1.fc1"] == {"de": 0, "en": 5}
    assert not modules_of(state, Pair("en", "de"))


def test_an_adapter_of_old_form_in_half_precision(adapter, base, low_rank, tmp_path):
    tensors = load_file(adapter / "adapter_model.safetensors")
    halves = {name: tensor.bfloat16() for name, tensor in tensors.items()}
    torch.save(halves, tmp_path / "adapter_model.bin")
    config = (adapter / "adapter_config.json").read_text()
    (tmp_path / "adapter_config.json").write_text(config)
    back = modules_of(from_peft(tmp_path, DE_EN, base))
    for name, module in modules_of(load(low_rank)).items():
        assert torch.equal(back[name].a, module.a.bfloat16().float())


def test_what_is_wrong_is_named(adapter, low_rank, base, tmp_path, capsys):
    out = tmp_path / "out.pt"

    def told(*words: object) -> str:
        assert lass("lslo", *words) == 1
        assert not out.exists()
        return capsys.readouterr().err

    def back(change=None, config=None, *more: object) -> str:
        tensors = load_file(adapter / "adapter_model.safetensors")
        if change is not None:
            change(tensors)
        values = json.loads((adapter / "adapter_config.json").read_text())
        values.update(config or {})
        folder = tmp_path / "changed"
        folder.mkdir(exist_ok=True)
        save_file(tensors, folder / "adapter_model.safetensors")
        (folder / "adapter_config.json").write_text(json.dumps(values))
        given = ("--pair", "de-en", "--base", base, "--out", out, *more)
        return told("from-peft", folder, *given)

    assert "no rank for fr" in told(
        *("to-peft", low_rank, "--pair", "fr-en", "--out", tmp_path / "x")
    )
    assert "holds no low-rank modules" in told(
        *("to-peft", base, "--pair", "de-en", "--out", tmp_path / "x")
    )
    prefix = "base_model.model.model"

    def embedding(tensors):
        tensors[f"{prefix}.shared.lora_embedding_A"] = torch.zeros(3, 2)

    assert "shared.lora_embedding_A, which is no low-rank factor" in back(embedding)

    def lonely(tensors):
        del tensors[f"{prefix}.encoder.layers.0.fc1.lora_B.weight"]

    assert "lacks lora_B.weight of encoder.layers.0.fc1" in back(lonely)

    def wide(tensors):
        tensors[f"{prefix}.encoder.layers.0.fc1.lora_A.weight"] = torch.zeros(2, 33)

    assert "encoder.layers.0.fc1 in" in back(wide)
    assert "use_dora True" in back(None, {"use_dora": True})
    assert "are neither all 1 nor one number" in back(None, {"lora_alpha": 7})
    assert "--placement learn puts two modules" in back(
        None, None, "--placement", "learn"
    )
    assert "holds low-rank modules and no base" in told(
        *("from-peft", adapter, "--pair", "de-en", "--base", low_rank, "--out", out)
    )
    (tmp_path / "changed" / "adapter_model.safetensors").write_bytes(b"no")
    given = ("--pair", "de-en", "--base", base, "--out", out)
    assert "cannot be read as the weights of an adapter" in told(
        "from-peft", tmp_path / "changed", *given
    )


def test_modules_of_weight_learning_are_refused(low_rank, tmp_path):
    from lass_plugin.errors import LassError

    state = load(low_rank)
    plan = state["task_state"]["lslo"]["plan"]
    plan["placement"] = {side: ["both", "both"] for side in ("encoder", "decoder")}
    with pytest.raises(LassError, match="is of weight learning"):
        to_peft(made(state), DE_EN, tmp_path)
    plan["placement"] = {"encoder": ["source"] * 2, "decoder": ["source"] * 2}
    plan["ranks"]["de"] = 0
    with pytest.raises(LassError, match="no low-rank module for de-en"):
        to_peft(made(state), DE_EN, tmp_path)


# -- the libraries themselves, where they are installed --------------------------------


@pytest.fixture
def twins(base, data, tmp_path):
    """A base of the form of M2M-100 as a checkpoint, and the same in transformers."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("peft")
    state = load(base)
    task = translation_task(data, "--lang-pairs de-en,en-de")
    options = dict(state["cfg"]["model"].__dict__)
    options |= {"encoder_normalize_before": True, "decoder_normalize_before": True}
    torch.manual_seed(1)
    model = FairseqTask.build_model(task, Namespace(**options)).eval()
    for parameter in model.parameters():  # layer norms that are no identity
        parameter.data += 0.1 * torch.randn_like(parameter)
    state["cfg"]["model"] = Namespace(**options)
    state["model"] = model.state_dict()
    path = tmp_path / "base.pt"
    save_tensors(path, state)
    config = transformers.M2M100Config(
        vocab_size=len(task.source_dictionary),
        d_model=32,
        **{f"{side}_layers": 2 for side in ("encoder", "decoder")},
        **{f"{side}_ffn_dim": 64 for side in ("encoder", "decoder")},
        **{f"{side}_attention_heads": 2 for side in ("encoder", "decoder")},
        **{f"{kind}dropout": 0.0 for kind in ("", "attention_", "activation_")},
        **{f"{side}_layerdrop": 0.0 for side in ("encoder", "decoder")},
        **{"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2},
        decoder_start_token_id=2,
    )
    other = transformers.M2M100ForConditionalGeneration(config).eval()
    tensors = {n: t for n, t in model.state_dict().items() if "_float_tensor" not in n}
    tensors = {n: t for n, t in tensors.items() if not n.endswith("version")}
    tensors.pop("decoder.output_projection.weight")
    tensors["shared.weight"] = tensors["decoder.embed_tokens.weight"]
    lost = other.model.load_state_dict(tensors, strict=False)
    assert not lost.unexpected_keys and not lost.missing_keys
    other.lm_head.weight = other.model.shared.weight
    return path, other


def outputs(checkpoint, data, key="de-en"):
    """What our model computes from made-up sentences."""
    task = translation_task(data, "--lang-pairs de-en,en-de")
    model = load_model(checkpoint, task)
    with torch.no_grad(), task.method_of(model).using(key):
        return model(WORDS, torch.full((3,), WORDS.shape[1]), BEGUN)[0]


WORDS = torch.arange(4, 22).view(3, 6)
BEGUN = torch.cat([torch.full((3, 1), 2), WORDS[:, 1:] + 3], dim=1)


def test_peft_computes_the_same_with_our_modules(twins, data, tmp_path):
    from peft import PeftModel

    base, other = twins
    folder = tmp_path / "made-up"
    folder.mkdir()
    ranks = {
        f"{side}.layers.{layer}.{kind}": 2 + layer
        for side in ("encoder", "decoder")
        for layer in (0, 1)
        for kind in ("self_attn.q_proj", "self_attn.out_proj", "fc1", "fc2")
    } | {"decoder.layers.1.encoder_attn.v_proj": 5}
    (folder / "adapter_config.json").write_text(
        json.dumps(make_config(ranks, 4.0, 0.1))
    )
    prefix, tensors = "base_model.model.model", {}
    for name, rank in ranks.items():
        outs, ins = other.model.get_submodule(name).weight.shape
        tensors[f"{prefix}.{name}.lora_A.weight"] = torch.randn(rank, ins) / 4
        tensors[f"{prefix}.{name}.lora_B.weight"] = torch.randn(outs, rank) / 4
    save_file(tensors, folder / "adapter_model.safetensors")
    checkpoint = tmp_path / "de-en.pt"
    words = ["lslo", "from-peft", folder, "--pair", "de-en", "--base", base]
    assert lass(*words, "--out", checkpoint) == 0
    written = tmp_path / "written"
    words = ["lslo", "to-peft", checkpoint, "--pair", "de-en", "--out", written]
    assert lass(*words) == 0
    ours = outputs(checkpoint, data)
    with torch.no_grad():
        dense = other(input_ids=WORDS, decoder_input_ids=BEGUN).logits
        adapted = PeftModel.from_pretrained(other, str(written)).eval()
        theirs = adapted(input_ids=WORDS, decoder_input_ids=BEGUN).logits
    torch.testing.assert_close(outputs(checkpoint, data, "en-de"), dense)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert (theirs - dense).abs().max() > 0.1


@pytest.mark.parametrize("stabilized", [False, True])
def test_an_adapter_that_peft_saved_computes_the_same_here(
    twins, data, tmp_path, stabilized
):
    from peft import LoraConfig, get_peft_model

    base, other = twins
    config = LoraConfig(
        **{"r": 4, "lora_alpha": 6, "target_modules": ["q_proj", "fc1"]},
        **{"init_lora_weights": False, "task_type": "SEQ_2_SEQ_LM"},
        use_rslora=stabilized,
    )
    adapted = get_peft_model(other, config).eval()
    adapted.save_pretrained(str(tmp_path / "saved"))
    with torch.no_grad():
        theirs = adapted(input_ids=WORDS, decoder_input_ids=BEGUN).logits
    checkpoint = tmp_path / "de-en.pt"
    words = ["lslo", "from-peft", tmp_path / "saved", "--pair", "de-en"]
    assert lass(*words, "--base", base, "--out", checkpoint) == 0
    torch.testing.assert_close(outputs(checkpoint, data), theirs, rtol=1e-4, atol=1e-4)
