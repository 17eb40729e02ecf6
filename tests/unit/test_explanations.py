"""Mistakes that fairseq answers with a traceback are one sentence."""

import pytest
from fairseq import checkpoint_utils

from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes import prepare_fairseq
from lass_plugin.fairseq_fixes.missing_start import check_start


@pytest.fixture(autouse=True)
def prepared():
    prepare_fairseq()


def test_a_missing_model_is_named(tmp_path):
    path = str(tmp_path / "model.pt")
    with pytest.raises(LassError, match=r"model\.pt does not exist; check --path"):
        checkpoint_utils.load_model_ensemble([path])


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LassError, match=r"cannot write checkpoints into .*file/run"):
        checkpoint_utils.verify_checkpoint_directory(str(tmp_path / "file" / "run"))
    checkpoint_utils.verify_checkpoint_directory(str(tmp_path / "run"))


@pytest.mark.parametrize(
    "restore, finetune, told",
    [
        ("elsewhere/x.pt", None, "--restore-file elsewhere/x.pt does not exist"),
        ("checkpoint_last.pt", "b.pt", "--finetune-from-model b.pt does not exist"),
        ("x.pt", "b.pt", "exclude each other"),
        ("s3://bucket/model.pt", None, "model.pt does not exist"),
        ("", None, "--restore-file is empty"),
        ("checkpoint_last.pt", "", "--finetune-from-model is empty"),
        ("/dev/null", None, "--restore-file /dev/null is not a file"),
        ("checkpoint_last.pt", "/", "--finetune-from-model / is not a file"),
    ],
)
def test_a_start_from_nothing_is_refused(tmp_path, restore, finetune, told):
    with pytest.raises(LassError, match=told):
        check_start(restore, finetune, str(tmp_path))


def test_a_run_that_goes_on_needs_no_base(tmp_path):
    check_start("checkpoint_last.pt", None, str(tmp_path))
    check_start(str(tmp_path / "checkpoint_last.pt"), None, str(tmp_path))
    (tmp_path / "checkpoint_last.pt").write_text("")
    check_start("checkpoint_last.pt", "gone.pt", str(tmp_path))


def test_a_checkpoint_of_its_own_that_is_no_file_is_not_passed_over(tmp_path):
    own = tmp_path / "checkpoint_last.pt"
    own.symlink_to(tmp_path / "on a disk that is not there")
    for restore in ("checkpoint_last.pt", str(own)):
        with pytest.raises(LassError, match="checkpoint_last.pt is no file"):
            check_start(restore, None, str(tmp_path))
    own.unlink()
    own.mkdir()
    with pytest.raises(LassError, match="checkpoint_last.pt is no file"):
        check_start("checkpoint_last.pt", None, str(tmp_path))


def test_what_continues_once_must_be_there(tmp_path):
    with pytest.raises(LassError, match="--continue-once gone.pt does not exist"):
        check_start("checkpoint_last.pt", None, str(tmp_path), "gone.pt")
