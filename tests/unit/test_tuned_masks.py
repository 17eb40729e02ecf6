"""Masks out of fine-tunings: which checkpoints say what of which key."""

import pytest
import torch
from conftest import load

from lass_plugin.cli.main import main as lass
from lass_plugin.masks import load_masks
from lass_plugin.masks.fingerprint import fingerprint, same_weights
from lass_plugin.methods.search.tuned_masks import TunedMasks

TARGETS = ("attention", "feed-forward")
SITE = "encoder.layers.1.fc2.weight"


@pytest.fixture
def tuned(base, tmp_path):
    """The base moved at random, as if it had been fine-tuned on *pairs*."""

    def make(pairs: str, seed: int = 1, noise: float = 0.1, name: str = ""):
        state = load(base)
        generator = torch.Generator().manual_seed(seed)
        for weight in state["model"].values():
            if weight.is_floating_point():
                shift = torch.randn(weight.shape, generator=generator)
                weight += noise * shift
        state["cfg"]["task"]["lang_pairs"] = pairs
        path = tmp_path / f"{name or pairs.replace(',', '+')}.pt"
        torch.save(state, path)
        return path

    return make


@pytest.fixture
def extract(base, tmp_path, capsys):
    """``lass extract --base``: its masks, or what it says where it fails."""

    def run(*paths, given=("--ratio", "0.9"), of=base):
        out = tmp_path / "masks"
        words = ["extract", *map(str, paths), "--base", str(of), "--out", str(out)]
        code = lass([*words, *map(str, given)])
        said = capsys.readouterr()
        return load_masks(out) if code == 0 else said.err.splitlines()[-1]

    return run


def test_of_each_matrix_the_share_that_moved_most(tuned, extract, base):
    path = tuned("de-en")
    mask = extract(path, given=("--ratio", "0.9", "--over", "matrix"))["de-en"]
    before, after = load(base)["model"], load(path)["model"]
    for site in mask.shapes:
        moved, kept = (after[site] - before[site]).abs(), mask.unpack(site)
        assert int(kept.sum()) == kept.numel() - round(0.9 * kept.numel())
        assert moved[kept].min() >= moved[~kept].max()
    assert (mask.provenance.criterion, mask.provenance.ratio) == ("change", 0.9)
    assert same_weights(mask.base, fingerprint({s: before[s] for s in mask.shapes}))
    assert len(mask.shapes) == 32


def test_a_score_of_weights_alone_and_other_targets(tuned, extract):
    given = ("--ratio", "0.5", "--criterion", "magnitude", "--targets", "feed-forward")
    mask = extract(tuned("de-en"), given=given)["de-en"]
    assert mask.provenance.criterion == "magnitude" and len(mask.shapes) == 8


def test_a_language_has_the_mean_of_its_pairs(tuned, extract, base):
    paths = [tuned("de-en", 1), tuned("nl-en", 2), tuned("de-nl,de-en", 3, name="de")]
    given = ("--ratio", "0.8", "--by", "language", "--over", "matrix")
    masks = extract(*paths, given=given)
    assert list(masks) == ["source@de", "source@nl", "target@en"]
    before = load(base)["model"][SITE]
    first, second, third = (load(path)["model"][SITE] - before for path in paths)
    scores = {"source@de": first.abs() + third.abs(), "source@nl": second.abs()}
    for key, score in scores.items():
        kept = masks[key].unpack(SITE)
        assert score[kept].min() >= score[~kept].max()
    assert "mean of 2 checkpoints" in masks["source@de"].provenance.note


def test_what_does_not_fit_is_one_sentence(tuned, extract, base, masks, tmp_path):
    one = tuned("de-en")
    assert "both of de-en; give one" in extract(one, tuned("de-en", 2, name="again"))
    assert "was trained on 2 pairs" in extract(tuned("de-en,en-de", name="two"))
    language = ("--ratio", "0.9", "--by", "language")
    several = tuned("de-en,en-nl", name="several")
    assert "several sources and several targets" in extract(several, given=language)
    still = tuned("en-de", noise=0.0)
    assert "has the very weights of" in extract(still)
    gradients = ("--ratio", "0.9", "--criterion", "gradient")
    assert "needs the gradients of a search" in extract(one, given=gradients)
    assert "--base needs --ratio" in extract(one, given=())
    assert "--pairs has no effect with --by" in extract(
        one, given=(*language, "--pairs", "de-en")
    )
    state = load(one)
    state["model"][SITE] = state["model"][SITE][:, :-1]
    torch.save(state, tmp_path / "narrow.pt")
    assert "give the base that it was fine-tuned" in extract(tmp_path / "narrow.pt")
    state = load(one)
    state["model"][SITE][0, 0] = float("nan")
    torch.save(state, tmp_path / "nan.pt")
    assert "NaN" in extract(tmp_path / "nan.pt")
    assert lass(["extract", str(one), "--over", "model", "--out", str(tmp_path)]) == 1


def test_options_of_fine_tunings_need_a_base(tuned, tmp_path, capsys):
    words = ["extract", str(tuned("de-en")), "--out", str(tmp_path / "x")]
    for more in (
        ("--over", "model"),
        ("--by", "language"),
        ("--targets", "embeddings"),
    ):
        assert lass([*words, *more]) == 1
        assert f"{more[0]} has no effect without --base" in capsys.readouterr().err


def test_masks_of_sparse_models_or_joint_ones_are_not_taken(base, extract, tmp_path):
    state = load(base)
    state["task_state"]["sparse_tuning"] = {}
    torch.save(state, tmp_path / "sparse.pt")
    assert "sparse differences" in extract(tmp_path / "sparse.pt")


def test_read(tuned, base):
    found = TunedMasks.read([tuned("de-en")], base, None, TARGETS, "pair")
    assert list(found.keys) == ["de-en"] and found.score.name == "change"


@pytest.mark.slow
class TestASearch:
    @pytest.fixture(scope="class")
    def searches(self, commands, data, base, tmp_path_factory):
        out = tmp_path_factory.mktemp("searches")
        for schedule in ("oneshot", "gradual"):
            more = ("--start", 1, "--ramp", 2) if schedule == "gradual" else ()
            commands.run(
                *("lass", "search", data, "--base", base, "--out", out / schedule),
                *("--pairs", "de-en", "--criterion", "magnitude", "--updates", 4),
                *("--schedule", schedule, "--ratio", 0.5, "--cpu", "--jobs", 1, *more),
            )
        return out

    def test_a_one_shot_search_is_a_fine_tuning_and_a_gradual_one_is_not(
        self, searches, extract
    ):
        assert extract(searches / "oneshot")["de-en"].provenance.criterion == "change"
        assert "trained under a mask, not all weights" in extract(searches / "gradual")

    def test_without_a_base_there_is_no_change(self, searches, tmp_path, capsys):
        words = ["extract", str(searches / "oneshot"), "--criterion", "change"]
        assert lass([*words, "--out", str(tmp_path)]) == 1
        assert "take masks by it with 'lass extract --base'" in capsys.readouterr().err

    def test_a_search_by_it_is_refused(self, commands, data, base, tmp_path):
        ended = commands.run(
            *("lass", "search", data, "--base", base, "--out", tmp_path, "--cpu"),
            *("--pairs", "de-en", "--criterion", "change", "--updates", 4),
            *("--schedule", "oneshot", "--ratio", 0.5),
            check=False,
        )
        assert ended.returncode == 1 and "compares a fine-tuned model" in ended.told
