#!/usr/bin/env bash
# Runs the tests, after installing what they need (see scripts/environment.sh).
#
#   bash scripts/test.sh                     the fast tests
#   bash scripts/test.sh tests/laws -k mask  any arguments of pytest
#   bash scripts/test.sh --all               the slow tests too, and on a machine with
#                                            an NVIDIA GPU those that need one
#   bash scripts/test.sh --with-peft         the exchange of low-rank modules with the
#                                            library peft, which is installed for it
#   bash scripts/test.sh --with-onnx         smaller encoders under onnxruntime, and tags
#                                            scored by seqeval, which are installed for it
#   bash scripts/test.sh --with-ctranslate2  translation by CTranslate2, installed for it
#
# Whole runs use every core, up to 8; -n 1 or other arguments of pytest-xdist change that.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/environment.sh"

# Tests of one file share trained models, so a file stays on one core. Files are begun
# in their order: the long ones are those of integration, the short ones come last.
cores=(-n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder)
arguments=()
extras=test
for argument in "$@"; do
    if [ "$argument" = --with-peft ]; then
        extras=test,peft
        arguments+=(tests/integration/test_lslo_peft.py)
        cores=()
    elif [ "$argument" = --with-onnx ]; then
        extras=test,onnx,xtreme
        arguments+=(tests/unit/test_gates_onnx.py tests/unit/test_xtreme_scores.py)
        arguments+=(tests/integration/test_xtreme.py)
        cores=()
    elif [ "$argument" = --with-ctranslate2 ]; then
        extras=test,ctranslate2
        arguments+=(tests/integration/test_ctranslate2.py)
        cores=()
    elif [ "$argument" != --all ]; then
        arguments+=("$argument")
        cores=()
    elif nvidia-smi -L >/dev/null 2>&1; then
        arguments+=(-m "")
    else
        arguments+=(-m "not gpu")
    fi
done

lass_environment "$extras" || exit 1
cd "$root" || exit 1
# The models of the tests are so small that more threads only get in each other's way.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
export PYTHONUNBUFFERED=1
"$LASS_PYTHON" -m pytest ${cores[@]+"${cores[@]}"} \
    ${arguments[@]+"${arguments[@]}"}
status=$?
if [ "$status" -eq 5 ]; then
    lass_say "error: no test was selected; slow ones need --all, those for a GPU -m gpu"
fi
exit "$status"
