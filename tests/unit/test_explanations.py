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
    ],
)
def test_a_start_from_nothing_is_refused(tmp_path, restore, finetune, told):
    with pytest.raises(LassError, match=told):
        check_start(restore, finetune, str(tmp_path))


def test_a_run_that_goes_on_needs_no_base(tmp_path):
    check_start("checkpoint_last.pt", None, str(tmp_path))
    check_start(str(tmp_path / "checkpoint_last.pt"), None, str(tmp_path))
    check_start("s3://bucket/model.pt", None, str(tmp_path))
    (tmp_path / "checkpoint_last.pt").write_text("")
    check_start("checkpoint_last.pt", "gone.pt", str(tmp_path))
