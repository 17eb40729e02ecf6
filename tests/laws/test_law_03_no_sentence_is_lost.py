"""Law 3. No sentence is lost: N in, N out, in every split and command."""

import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from conftest import ROOT
from fairseq.data import LanguagePairDataset, ListDataset
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import training_task

from lass_plugin.data.batching import make_batches, split_batches
from lass_plugin.data.pairs_dataset import PairsDataset
from lass_plugin.errors import LassError


def pair_data(count: int, dictionary, seed: int, longest: int = 12):
    generator = torch.Generator().manual_seed(seed)
    sides = []
    for _ in range(2):
        lengths = torch.randint(1, longest, (count,), generator=generator).tolist()
        tokens = [torch.full((length,), dictionary.eos()) for length in lengths]
        sides.append(ListDataset(tokens, np.array(lengths)))
    source, target = sides
    return LanguagePairDataset(
        source, source.sizes, dictionary, target, target.sizes, dictionary
    )


@pytest.fixture(scope="module")
def dictionary():
    from fairseq.data import Dictionary

    return Dictionary()


def batches(dataset, *, training=False, limits=(99, 99), drop=False, **options):
    defaults = {"max_tokens": 60, "max_sentences": None, "multiple": 8}
    return dataset.batches(
        1,
        seed=1,
        training=training,
        limits=limits,
        drop_too_long=drop,
        **{**defaults, **options},
    )


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("tokens, sentences", [(60, None), (10**6, None), (None, 8)])
@pytest.mark.parametrize("count", [1, 5, 7, 8, 9, 13, 100])
def test_as_many_sentences_in_the_batches_as_in_the_data(
    dictionary, count, tokens, sentences, training
):
    parts = {"de-en": pair_data(count, dictionary, 1)}
    parts["en-de"] = pair_data(count + 3, dictionary, 2)
    made = batches(
        PairsDataset(parts, "test"),
        training=training,
        max_tokens=tokens,
        max_sentences=sentences,
    )
    assert sorted(np.concatenate(made).tolist()) == list(range(2 * count + 3))


@pytest.mark.parametrize("training", [False, True])
def test_a_sentence_longer_than_the_token_limit_is_a_batch_of_its_own(
    dictionary, training
):
    data = PairsDataset({"de-en": pair_data(40, dictionary, 1, longest=90)}, "train")
    made = batches(data, training=training, max_tokens=50)
    assert sorted(np.concatenate(made).tolist()) == list(range(40))
    alone = [numbers[0] for numbers in made if data.sizes[numbers].max() > 50]
    assert alone and all(
        len(n) == 1 or data.sizes[n].max() * len(n) <= 50 for n in made
    )


def test_sentences_beyond_the_positions_are_named_or_left_out_on_request(
    dictionary, caplog
):
    data = PairsDataset({"de-en": pair_data(40, dictionary, 1, longest=90)}, "test")
    too_long = int((data.sizes > 80).any(axis=1).sum())
    assert too_long
    with pytest.raises(LassError, match=r"sentence \d+ of the test data of de-en"):
        batches(data, limits=(80, 80))
    kept = np.concatenate(batches(data, limits=(80, 80), drop=True))
    assert len(kept) == 40 - too_long
    assert f"{too_long} of 40 sentences are longer" in caplog.text


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=120),
    max_tokens=st.none() | st.integers(1, 400),
    max_sentences=st.none() | st.integers(1, 40),
    multiple=st.sampled_from([1, 2, 3, 8, 16]),
)
@settings(max_examples=300)
def test_batches_cover_everything_once_and_respect_the_limits(
    lengths, max_tokens, max_sentences, multiple
):
    ordered = np.sort(np.array(lengths))
    bounds = split_batches(ordered, max_tokens, max_sentences, multiple)
    assert bounds[0][0] == 0 and bounds[-1][1] == len(ordered)
    assert all(end == start for (_, end), (start, _) in pairwise(bounds))
    for number, (start, end) in enumerate(bounds):
        count = end - start
        assert count >= 1
        assert count <= (max_sentences or len(ordered))
        assert count == 1 or ordered[end - 1] * count <= (max_tokens or 10**9)
        if number < len(bounds) - 1 and count > multiple:
            assert count % multiple == 0


@given(
    lengths=st.lists(
        st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=80
    ),
    max_tokens=st.integers(1, 300),
    seed=st.none() | st.integers(0, 9),
)
def test_batches_of_two_sides_hold_every_sentence_once(lengths, max_tokens, seed):
    sizes = np.array(lengths)
    numbers = np.arange(len(sizes)) + 1000
    rng = None if seed is None else np.random.default_rng(seed)
    made = make_batches(sizes, numbers, max_tokens, None, 8, rng)
    assert sorted(np.concatenate(made).tolist()) == numbers.tolist()
    for batch in made:
        longest = sizes[batch - 1000].max()
        assert len(batch) == 1 or longest * len(batch) <= max_tokens


GENERATE = ("-s", "de", "-t", "en", "--cpu", "--num-workers", 0, "--beam", 1)
TASK = ("--task", "translation_subnetwork")
USER_DIR = ("--user-dir", ROOT / "lass_plugin")


def numbers_of(output: str, kind: str = "H") -> list[int]:
    return [int(n) for n in re.findall(rf"^{kind}-(\d+)\t", output, re.M)]


def test_generate_translates_all_13_sentences(commands, data, base):
    result = commands.run(
        "generate",
        data,
        *USER_DIR,
        *TASK,
        *GENERATE,
        "--path",
        base,
        "--max-tokens",
        60,
    )
    assert sorted(numbers_of(result.stdout)) == list(range(13))


def test_interactive_answers_every_line_in_order(processes, data, base):
    lines = (data / "raw" / "test.en-de.de").read_text().splitlines()[:11]
    lines[4] = ""  # an empty line is a line
    result = processes.run(
        "interactive",
        *(data, *USER_DIR, *TASK, *GENERATE, "--path", base, "--buffer-size", 7),
        *("--max-tokens", 60),
        input="".join(line + "\n" for line in lines),
    )
    assert numbers_of(result.stdout) == list(range(11))
    assert numbers_of(result.stdout, "S") == list(range(11))


def test_validate_sees_every_sentence_of_every_pair(data, base, monkeypatch, start):
    from fairseq import options
    from fairseq_cli import validate

    from lass_plugin.tasks.translation_subnetwork import TranslationSubnetworkTask

    start()  # registers the task as --user-dir would
    seen = []
    stock = TranslationSubnetworkTask.valid_step

    def count(self, sample, *more):
        seen.extend(
            (sample["language_key"], number) for number in sample["id"].tolist()
        )
        return stock(self, sample, *more)

    monkeypatch.setattr(TranslationSubnetworkTask, "valid_step", count)
    flags = (data, *TASK, "--lang-pairs", "de-en,en-nl", "--path", base, "--cpu")
    limits = ("--num-workers", 0, "--max-tokens", 60, "--valid-subset", "valid,test")
    arguments = [*map(str, [*flags, *limits])]
    parser = options.get_validation_parser()
    given = options.parse_args_and_arch(parser, arguments)
    overrides = options.parse_args_and_arch(
        options.get_validation_parser(), arguments, suppress_defaults=True
    )
    validate.main(given, overrides)
    valid = [("de-en", n) for n in range(17)] + [("en-nl", n) for n in range(17, 34)]
    test = [("de-en", n) for n in range(13)] + [("en-nl", n) for n in range(13, 26)]
    assert sorted(seen) == sorted(valid + test)


@pytest.mark.parametrize("shards", [1, 2])
def test_validation_during_training_sees_every_sentence(start, shards):
    run = start("--max-tokens-valid", 60)
    run.task.load_dataset("valid")
    numbers = []
    for shard in range(shards):
        reader = run.task.get_batch_iterator(
            run.task.dataset("valid"),
            max_tokens=60,
            required_batch_size_multiple=8,
            num_shards=shards,
            shard_id=shard,
        )
        for batch in reader.next_epoch_itr(shuffle=False):
            numbers += batch["id"].tolist() if batch else []
    assert sorted(numbers) == list(range(4 * 17))
    trainers = run.trainer.get_valid_iterator("valid").next_epoch_itr(shuffle=False)
    assert sorted(n for batch in trainers for n in batch["id"].tolist()) == sorted(
        numbers
    )


def test_a_pair_of_which_nothing_is_left_is_named(dictionary):
    parts = {key: pair_data(5, dictionary, 1) for key in ("de-en", "nl-en")}
    with pytest.raises(LassError, match=r"valid data of de-en .*all 5 are longer"):
        batches(PairsDataset(parts, "valid"), limits=(0, 0), drop=True)
    parts["en-de"] = pair_data(0, dictionary, 1)
    with pytest.raises(LassError, match=r"train data of en-de .*none at all"):
        batches(PairsDataset(parts, "train"), training=True)


def test_a_validation_cut_short_counts_every_pair(dictionary):
    parts = {f"{one}-xx": pair_data(40, dictionary, n) for n, one in enumerate("abc")}
    pairs = PairsDataset(parts, "valid")
    made = batches(pairs, in_turn=True)
    firsts = [pairs.locate(int(batch[0]))[0] for batch in made[:6]]
    assert firsts == ["a-xx", "b-xx", "c-xx"] * 2
    assert sorted(np.concatenate(made).tolist()) == list(range(120))


def test_a_validation_too_short_for_every_pair_is_refused(data):
    flags = ("--max-valid-steps", 2)
    task = training_task(data, *flags)
    task.load_dataset("valid")
    with pytest.raises(LassError, match="--max-valid-steps 2 .* 4 pairs"):
        task.get_batch_iterator(task.dataset("valid"), max_tokens=100)
    task.get_batch_iterator(task.dataset("valid"), max_tokens=100, num_shards=2)
