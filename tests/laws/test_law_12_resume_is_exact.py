"""Law 12: resume is exact.

A run that is killed anywhere and started again by the same command ends with the same
bytes of weights, optimizer state, scores and masks as one that was left alone (CPU,
float32, dropout on). A run that is not the same one is refused.
"""

from pathlib import Path
from signal import SIGKILL

import pytest
from conftest import PAIRS, load
from in_process import random_mask, training_task
from runs import differences

from lass_plugin.errors import LassError
from lass_plugin.masks import MaskSet, save_mask, save_masks
from lass_plugin.methods.search.one_search import SearchPlan, SubnetworkSearch
from lass_plugin.methods.search.searched_masks import scores_from_checkpoint

SAVING = ("--save-interval-updates", 6, "--keep-interval-updates", 1)
SAVING += ("--no-epoch-checkpoints",)


def live_and_die(commands, folder: Path, flags, deaths) -> dict:
    """The last checkpoint of a run that dies again and again and is started again."""
    for death in deaths:
        dead = commands.train(folder, *flags, prepare=death, check=False)
        assert dead.returncode == -SIGKILL, dead.stderr[-2000:]
    commands.train(folder, *flags)
    return load(folder / "checkpoint_last.pt")


def in_peace(commands, folder: Path, flags) -> dict:
    commands.train(folder, *flags)
    return load(folder / "checkpoint_last.pt")


def compared(state: dict) -> dict:
    """Both must hold what is compared, or nothing would be shown."""
    assert state["model"] and state["last_optimizer_state"]["state"]
    assert "subnetwork" in state["extra_state"]["train_iterator"]
    return state


def updates(state: dict) -> int:
    return state["optimizer_history"][-1]["num_updates"]


# An epoch of all pairs has 30 batches. Checkpoints are written after updates 6, 12, 18,
# 24, 30 (the epoch's end) and 36.
IN_AN_EPOCH = ("die_at_update", 15)
IN_THE_NEXT = ("die_at_update", 33)


def test_base_training(commands, tmp_path):
    flags = ("--max-update", 38, *SAVING)
    killed = live_and_die(commands, tmp_path / "a", flags, [IN_AN_EPOCH, IN_THE_NEXT])
    whole = in_peace(commands, tmp_path / "b", flags)
    assert updates(whole) == 38
    place = whole["extra_state"]["train_iterator"]
    assert place["epoch"] == 2 and 15 < 38 - place["iterations_in_epoch"] < 33
    assert differences(compared(killed), compared(whole)) == []


def test_joint_training(commands, base, masks, tmp_path):
    flags = ("--finetune-from-model", base, "--masks", masks)
    flags += ("--max-update", 38, *SAVING)
    deaths = [("die_at_save", 2), IN_THE_NEXT]
    killed = live_and_die(commands, tmp_path / "a", flags, deaths)
    whole = in_peace(commands, tmp_path / "b", flags)
    assert updates(whole) == 38
    assert differences(compared(killed), compared(whole)) == []
    assert whole["task_state"]["masks"]["masks"].keys() == set(PAIRS)


SEARCH = (
    *("--task", "translation_subnetwork_search", "--lang-pairs", "de-en"),
    *("--pruning-criterion", "gradient", "--pruning-schedule", "gradual"),
    *("--pruning-ratio", 0.5, "--pruning-start", 3, "--pruning-ramp", 15),
    *("--pruning-interval", 4, "--report-interval", 5, *SAVING),
)


@pytest.mark.parametrize(
    "criterion", ["gradient", pytest.param("sensitivity", marks=pytest.mark.slow)]
)
def test_search(commands, base, tmp_path, criterion):
    # 10 batches an epoch
    flags = (*SEARCH, "--finetune-from-model", base, "--max-update", 22)
    flags += ("--pruning-criterion", criterion)
    deaths = [("die_at_update", 8), ("die_at_update", 21)]
    killed = live_and_die(commands, tmp_path / "a", flags, deaths)
    whole = in_peace(commands, tmp_path / "b", flags)
    assert updates(whole) == 22
    state = compared(whole)["extra_state"]["train_iterator"]["subnetwork"]
    assert all(state["halves"]) and state["bits"] and state["snapshots"]
    assert state["updates"] == 22
    assert differences(compared(killed), whole) == []
    for ratio in (0.5, 0.8):
        for name, checkpoint in (("a", killed), ("b", whole)):
            search = checkpoint["extra_state"]["train_iterator"]["subnetwork"]
            mask = scores_from_checkpoint(search, checkpoint["model"]).mask(ratio)
            save_mask(tmp_path / f"{name}.safetensors", mask)
        masks = [(tmp_path / f"{name}.safetensors").read_bytes() for name in "ab"]
        assert masks[0] == masks[1]


# -- a search that ends by itself -----------------------------------------------------

# scores of a few updates are noise, so any agreement will do
EARLY = ("--stop-when-settled", "0.001", "--report-interval", 4)


def search_of(checkpoint: dict) -> dict:
    return checkpoint["extra_state"]["train_iterator"]["subnetwork"]


@pytest.fixture(scope="module")
def long_search(base) -> tuple:
    return (*SEARCH, "--finetune-from-model", base, "--max-update", 40)


@pytest.mark.slow
def test_a_settled_search_ends_after_its_ramp_and_goes_on_as_if_never_killed(
    commands, long_search, tmp_path
):
    whole = in_peace(commands, tmp_path / "b", (*long_search, *EARLY))
    state = search_of(compared(whole))
    # the ramp ends at 18; the first report after it is at 20
    assert updates(whole) == state["updates"] == 20
    assert "has reached 0.001" in state["stopped"]
    assert [record["updates"] for record in state["history"]] == [4, 8, 12, 16, 20]
    deaths = [("die_at_update", 9), ("die_at_update", 19)]
    killed = live_and_die(commands, tmp_path / "a", (*long_search, *EARLY), deaths)
    assert differences(compared(killed), whole) == []


def test_a_search_that_has_ended_stays_as_it_is(commands, long_search, tmp_path):
    first = in_peace(commands, tmp_path, (*long_search, *EARLY))
    again = in_peace(commands, tmp_path, (*long_search, *EARLY))
    assert differences(first["model"], again["model"]) == []
    assert differences(search_of(first), search_of(again)) == []


@pytest.mark.slow
def test_a_rule_that_is_not_met_changes_nothing(commands, long_search, tmp_path):
    short = (*long_search[:-1], 22)
    without = in_peace(commands, tmp_path / "a", short)
    never = ("--stop-when-settled", "1", "--stop-when-growth-below", "1")
    with_rule = in_peace(commands, tmp_path / "b", (*short, *never))
    states = [search_of(compared(each)) for each in (without, with_rule)]
    for state in states:
        del state["plan"]
    assert differences(without["model"], with_rule["model"]) == []
    assert differences(*states) == []


# -- a training that ends by itself ---------------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.pt")}


# the loss of validation gets worse at once; --patience counts that
WORSE = ("--lr", 5, "--max-update", 60, "--validate-interval-updates", 4)
WORSE += ("--save-interval-updates", 4, "--no-epoch-checkpoints", "--patience", 3)


def test_patience_is_kept_over_a_death(commands, tmp_path):
    whole = in_peace(commands, tmp_path / "b", WORSE)
    ended = updates(whole)
    assert 12 <= ended < 60
    death = ("die_at_update", ended - 2)
    killed = live_and_die(commands, tmp_path / "a", WORSE, [death])
    assert differences(compared(killed), compared(whole)) == []
    before = contents(tmp_path / "a")
    again = commands.train(tmp_path / "a", *WORSE)
    assert "validations without gain" in again.stdout + again.stderr
    assert contents(tmp_path / "a") == before


# -- another run is not resumed ------------------------------------------------------


@pytest.fixture(scope="module")
def other_masks(base, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("other_masks")
    weights = load(base)["model"]
    save_masks(folder, MaskSet(random_mask(pair, weights, 0.3) for pair in PAIRS))
    return folder


def joint_state(data, folder) -> object:
    task = training_task(data, "--masks", folder)
    task.load_dataset("train")
    return task.method


def test_other_masks_are_refused(data, masks, other_masks):
    begun = joint_state(data, masks).state_dict()
    joint_state(data, masks).load_state_dict(begun)
    with pytest.raises(LassError, match="other masks"):
        joint_state(data, other_masks).load_state_dict(begun)


def test_a_joint_run_does_not_go_on_as_base_training(data, masks):
    begun = joint_state(data, masks).state_dict()
    with pytest.raises(LassError, match="begun as joint training"):
        training_task(data).method.load_state_dict(begun)


def test_a_refusal_ends_the_command_with_one_sentence(commands, joint, data):
    flags = ("--restore-file", joint, "--max-update", 30)
    result = commands.train(joint.parent, *flags, check=False)
    assert result.returncode == 1
    assert result.told.startswith("error: this run was begun as joint training")
    assert "Traceback" not in result.stdout + result.stderr


CHANGES = {
    "criterion": "magnitude",
    "schedule": "oneshot",
    "ratio": 0.6,
    "start": 5,
    "ramp": 30,
    "interval": 5,
    "targets": ("attention",),
    "move_pruned": True,
    "stop_settled": 0.9,
    "stop_patience": 3,
    "stop_growth": 0.02,
    "key": "en-de",
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_plan_is_refused_by_name(name):
    plan = SearchPlan("de-en", "gradient", "gradual", 0.5, 3, 15, 4)
    begun = SubnetworkSearch(plan).state_dict()
    SubnetworkSearch(plan).load_state_dict(begun)
    changed = SearchPlan(**{**plan.__dict__, name: CHANGES[name]})
    with pytest.raises(LassError, match=f"begun with {name} "):
        SubnetworkSearch(changed).load_state_dict(begun)


def test_every_part_of_a_plan_is_compared():
    assert SearchPlan.__dataclass_fields__.keys() == CHANGES.keys()


def test_a_search_does_not_go_on_from_another_phase(data, masks):
    search = SubnetworkSearch(SearchPlan("de-en"))
    for state in (
        training_task(data).method.state_dict(),
        joint_state(data, masks).state_dict(),
    ):
        with pytest.raises(LassError, match=f"{state['phase']} phase"):
            search.load_state_dict(state)
    joint = joint_state(data, masks)
    with pytest.raises(LassError, match="begun as search"):
        joint.load_state_dict(search.state_dict())
