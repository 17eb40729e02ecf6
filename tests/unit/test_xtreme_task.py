"""The task ``xtreme``: what an encoder gives each language is used and kept."""

import contextlib
from types import SimpleNamespace

import pytest
import torch
from encoders import ENCODER_FLAGS
from fairseq import criterions, options, tasks
from fairseq.dataclass.utils import convert_namespace_to_omegaconf

from lass_plugin.corpora.xtreme.tasks import TASKS
from lass_plugin.criterions.xtreme import answered
from lass_plugin.data.xtreme.preparation import prepare
from lass_plugin.data.xtreme.settings import XtremePreparationSettings
from lass_plugin.errors import LassError
from lass_plugin.methods.method import Method
from lass_plugin.methods.registry import METHODS
from lass_plugin.tasks import xtreme  # noqa: F401, registers

MATRIX = "encoder.sentence_encoder.layers.0.fc2.weight"


class Factors(Method):
    """One matrix, multiplied by a factor of each language."""

    entry, words = "factors_of_a_test", "a factor of each language"

    def __init__(self, factors):
        self.factors = factors

    @classmethod
    def from_state(cls, state, where):
        return cls(dict(state))

    def to_state(self):
        return {self.entry: dict(self.factors)}

    def attach(self, model, options, cfg):
        model.register_parameter("learned_gates", torch.nn.Parameter(torch.ones(3)))

    @contextlib.contextmanager
    def part(self, key):
        layer = self.model.get_submodule(MATRIX.removesuffix(".weight"))
        weight = layer._parameters["weight"]
        layer._parameters["weight"] = weight * self.factors[key]
        yield
        layer._parameters["weight"] = weight


@pytest.fixture
def factors(monkeypatch):
    found = {Factors.entry: Factors}
    names, get = METHODS.names(), METHODS.get
    monkeypatch.setattr(METHODS, "names", lambda: [*names, *found])
    monkeypatch.setattr(METHODS, "get", lambda name: found.get(name) or get(name))


@pytest.fixture(scope="module")
def prepared(language_data, tmp_path_factory):
    raw, out = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("data")
    for name in ("train-en", "train-de", "dev-en", "test-en", "test-de"):
        code = name[-2:]
        lines = [f"{code}ab {code}c{x}\t{code}d{x}\t{x % 2}\n" for x in range(4)]
        (raw / f"{name}.tsv").write_text("".join(lines))
    settings = XtremePreparationSettings(
        task="pawsx",
        data=raw,
        out=out,
        model=language_data,
        languages=("de", "en"),
        train_languages=("de", "en"),
        length=24,
    )
    assert prepare(settings)["done"] and not prepare(settings)["done"]
    return out


def configured(data, *flags):
    place = ENCODER_FLAGS.index("--tokens-per-sample")
    start = [*ENCODER_FLAGS[2:place], *ENCODER_FLAGS[place + 2 :]]
    start[1] = "xtreme"
    start[start.index("--criterion") + 1] = "xtreme"
    parser = options.get_training_parser()
    words = [str(data), *start, *map(str, flags)]
    arguments = options.parse_args_and_arch(parser, words)
    return convert_namespace_to_omegaconf(arguments)


def test_an_encoders_parts_are_used_kept_and_not_trained(prepared, factors, tmp_path):
    cfg = configured(prepared, "--save-dir", tmp_path / "run", "--dropout", 0)
    first = tasks.setup_task(cfg.task)
    weights = first.build_model(cfg.model).state_dict()
    encoder = {n: w for n, w in weights.items() if "classification" not in n}
    state = {"language_tokens": first.tokens.to_dict(), Factors.entry: {"de": 0.0}}
    state[Factors.entry]["en"] = 3.0
    start = tmp_path / "start.pt"
    torch.save({"model": encoder, "task_state": state}, start)

    cfg = configured(
        prepared,
        "--save-dir",
        tmp_path / "run",
        "--finetune-from-model",
        start,
        "--dropout",
        0,
        "--attention-dropout",
        0,
    )
    task = tasks.setup_task(cfg.task)
    model = task.build_model(cfg.model)
    model.load_state_dict(encoder, strict=False)
    task.load_dataset("train")
    data = task.datasets["train"]
    numbers = [data.start("de"), data.start("de") + 1]
    sample = data.collater([data[number] for number in numbers])
    assert sample["language_key"] == "de"
    criterion = criterions.build_criterion(cfg.criterion, task)
    optimizer = SimpleNamespace(backward=lambda loss: loss.backward())
    loss = task.train_step(sample, model, criterion, optimizer, 0)[0]
    fc1 = model.get_parameter(MATRIX.replace("fc2", "fc1"))
    assert not fc1.grad.any()  # a factor of 0 lets nothing through
    other = task.valid_step({**sample, "language_key": "en"}, model, criterion)[0]
    assert float(other) != pytest.approx(float(loss))
    same = task.valid_step(sample, model, criterion)[0]
    assert float(same) == pytest.approx(float(loss), rel=1e-5)
    assert not model.get_parameter("learned_gates").requires_grad
    kept = task.state_dict()
    assert kept[Factors.entry] == {"de": 0.0, "en": 3.0}
    assert kept["xtreme"] == {"head": "xtreme_pawsx", "labels": ["0", "1"]}


@pytest.mark.parametrize(
    "flags, told",
    [
        (("--langs", "de,fr"), "no training data of 'fr'"),
        (("--sparsity", 0.5), "--sparsity"),
    ],
)
def test_mistakes_are_named(prepared, tmp_path, flags, told):
    if "--sparsity" in flags:
        tokens = tasks.setup_task(
            configured(prepared, "--save-dir", tmp_path / "a").task
        )
        start = tmp_path / "start.pt"
        state = {"language_tokens": tokens.tokens.to_dict()}
        torch.save({"model": {"x": torch.ones(1)}, "task_state": state}, start)
        flags = (*flags, "--finetune-from-model", start, "--allow-other-dictionary")
    with pytest.raises(LassError, match=told):
        cfg = configured(prepared, "--save-dir", tmp_path / "b", *flags)
        tasks.setup_task(cfg.task).load_dataset("train")


def test_a_run_of_another_task_is_not_gone_on_with(prepared, tmp_path):
    task = tasks.setup_task(configured(prepared, "--save-dir", tmp_path / "run").task)
    task.load_dataset("train")
    iterator = task.get_batch_iterator(
        task.datasets["train"], max_tokens=200, update_epoch_batch_itr=False
    )
    iterator.next_epoch_itr()
    state = iterator.state_dict()
    iterator.load_state_dict(state)
    state["begun_with"]["task"] = "xnli"
    told = r"begun with other task \(xnli\) than it has now \(pawsx\)"
    with pytest.raises(LassError, match=told):
        iterator.load_state_dict(state)


def test_losses_against_slow_loops():
    torch.manual_seed(1)
    logits, target = torch.randn(3, 4, 7), torch.tensor([[1, -1, 6, 0]] * 3)
    loss, right, count = answered(TASKS["panx"], logits, target)
    log = logits.log_softmax(-1)
    slow = -sum(log[b, t, target[b, t]] for b in range(3) for t in (0, 2, 3))
    best = sum(
        int(logits[b, t].argmax() == target[b, t]) for b in range(3) for t in (0, 2, 3)
    )
    assert float(loss) == pytest.approx(float(slow), rel=1e-5)
    assert (int(right), count) == (best, 9)
    spans, places = torch.randn(2, 5, 2), torch.tensor([[1, 3], [0, 0]])
    loss, right, count = answered(TASKS["xquad"], spans, places)
    log = spans.log_softmax(1)
    slow = -sum(log[b, places[b, side], side] for b in (0, 1) for side in (0, 1)) / 2
    assert float(loss) == pytest.approx(float(slow), rel=1e-5) and count == 2


def test_gates_of_each_language_close_units_while_a_head_is_trained(prepared, tmp_path):
    pytest.importorskip("lass_plugin.methods.gates.method")
    from lass_plugin.methods.gates.gating import find_components
    from lass_plugin.methods.gates.method import Gates
    from lass_plugin.methods.gates.sets import FIXED, GateSets, base_of

    quiet = ("--save-dir", tmp_path / "run", "--dropout", 0, "--attention-dropout", 0)
    cfg = configured(prepared, *quiet)
    first = tasks.setup_task(cfg.task)
    model = first.build_model(cfg.model)
    components = find_components(model, ("heads", "units"))
    encoder = {n: w for n, w in model.state_dict().items() if "classif" not in n}
    opened = {code: torch.ones(components.total).bool() for code in ("de", "en")}
    opened["de"][1::2] = False
    rows = {code: {"open": row} for code, row in opened.items()}
    sets = GateSets(FIXED, components, rows, base_of(components, encoder))
    tokens = {"language_tokens": first.tokens.to_dict()}
    start = tmp_path / "start.pt"
    state = {**tokens, **Gates(sets).to_state()}
    torch.save({"model": encoder, "task_state": state}, start)
    cfg = configured(prepared, *quiet, "--finetune-from-model", start)
    task = tasks.setup_task(cfg.task)
    model = task.build_model(cfg.model)
    task.load_dataset("train")
    data = task.datasets["train"]
    with pytest.raises(LassError, match="--max-positions, or prepare the task with"):
        data.batches(limits=4)
    sample = data.collater([data[data.start("de")], data[data.start("de") + 1]])
    criterion = criterions.build_criterion(cfg.criterion, task)
    optimizer = SimpleNamespace(backward=lambda loss: loss.backward())
    task.train_step(sample, model, criterion, optimizer, 0)
    closed = ~components.split(opened["de"])["encoder.sentence_encoder.layers.0.fc1"]
    gradient = model.get_parameter(MATRIX).grad
    assert not gradient[:, closed].any() and gradient[:, ~closed].any()
    losses = [
        float(task.valid_step({**sample, "language_key": key}, model, criterion)[0])
        for key in ("de", "en")
    ]
    assert losses[0] != losses[1]
    kept = Gates.from_state(task.state_dict()["gates"], "it").sets
    assert torch.equal(kept.rows["de"]["open"], opened["de"])


@pytest.fixture
def for_any_sparsity(prepared, tmp_path):
    """Flags of a fine-tuning of an encoder with gates for any sparsity."""
    from lass_plugin.methods.gates.dynamic import TENTHS, slopes_of
    from lass_plugin.methods.gates.gating import find_components
    from lass_plugin.methods.gates.hard_concrete import HardConcrete
    from lass_plugin.methods.gates.method import Gates
    from lass_plugin.methods.gates.sets import DYNAMIC, SHARED, GateSets, base_of

    quiet = ("--save-dir", tmp_path / "run", "--batch-size", 2)
    first = tasks.setup_task((cfg := configured(prepared, *quiet)).task)
    model = first.build_model(cfg.model)
    components = find_components(model, ("heads", "units", "ranks"))
    encoder = {n: w for n, w in model.state_dict().items() if "classif" not in n}
    importance = {s: torch.arange(n) / n for s, n in components.counts.items()}
    found = slopes_of(components, importance, TENTHS, HardConcrete())
    rows = {"offset": found.offsets, "slope": found.slopes, "size": found.sizes}
    base = base_of(components, encoder)
    of_all = {SHARED: rows}
    sets = GateSets(DYNAMIC, components, of_all, base, HardConcrete(), TENTHS)
    tokens = {"language_tokens": first.tokens.to_dict()}
    state = {**tokens, **Gates(sets, True).to_state()}
    torch.save({"model": encoder, "task_state": state}, tmp_path / "start.pt")
    return (*quiet, "--finetune-from-model", tmp_path / "start.pt", "--sparsity")


def test_both_factors_of_an_embedding_are_trained_and_no_gate(
    prepared, for_any_sparsity
):
    cfg = configured(prepared, *for_any_sparsity, 0.5)
    model = tasks.setup_task(cfg.task).build_model(cfg.model)
    still = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert still == {"gates.alpha.shared", "gates.stretch.shared"}
    assert model.encoder.sentence_encoder.embed_tokens.projection.requires_grad


def test_a_run_goes_on_at_the_sparsity_that_it_was_begun_with(
    prepared, for_any_sparsity
):
    def iterator(sparsity):
        cfg = configured(prepared, *for_any_sparsity, sparsity)
        task = tasks.setup_task(cfg.task)
        task.build_model(cfg.model)
        task.load_dataset("train")
        data = task.datasets["train"]
        return task.get_batch_iterator(
            data, max_sentences=2, update_epoch_batch_itr=False
        )

    begun = iterator(0.5)
    begun.next_epoch_itr()
    state = begun.state_dict()
    iterator(0.5).load_state_dict(state)
    with pytest.raises(LassError, match=r"other sparsity \(0\.5\) .* \(0\.3\)"):
        iterator(0.3).load_state_dict(state)


def test_layers_under_gates_are_not_compiled(prepared, for_any_sparsity):
    cfg = configured(prepared, *for_any_sparsity, 0.5, "--compile-layers")
    with pytest.raises(LassError, match="cannot compile a model with gates"):
        tasks.setup_task(cfg.task)
