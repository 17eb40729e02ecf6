#!/usr/bin/env bash
# What a machine with one NVIDIA GPU tells in ten minutes, with nothing to download: the
# tests that need a GPU, then joint training, search and generation at transformer-small
# and low-rank modules at 615 million parameters, each against stock fairseq in one run.
# Prints lines "NAME ratio R goal G" and writes them with the card's name.
#
#   bash scripts/gpu.sh [--output FILE]    default: results-cuda.txt of benchmarks/
#   bash scripts/gpu.sh --dry              on a CPU with tiny models, to see that it runs
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/environment.sh"

output=$root/benchmarks/results-cuda.txt dry=
while [ $# -gt 0 ]; do
    case $1 in
        --dry) dry=1; shift ;;
        --output) output=${2:?a file}; shift 2 ;;
        -h | --help) sed -n '2,/^set/{/^# \{0,1\}/s///p;}' "${BASH_SOURCE[0]}"; exit 0 ;;
        *) lass_say "error: $1 is no option; see --help"; exit 1 ;;
    esac
done
if [ -z "$dry" ] && ! nvidia-smi -L >/dev/null 2>&1; then
    lass_say "error: there is no NVIDIA GPU; --dry runs it on a CPU with tiny models"
    exit 1
fi
lass_environment test || exit 1
cd "$root" || exit 1

status=0
if [ -n "$dry" ]; then
    "$LASS_PYTHON" -m pytest -q -m gpu --collect-only || status=1
    device=cpu shape=(--scale tiny) large=(--scale tiny)
    output=$(mktemp)
    trap 'rm -f "$output"' EXIT
else
    "$LASS_PYTHON" -m pytest -q -m gpu || status=1
    device=cuda shape=() large=(--scale 615m)
fi
LASS_PYTHON=$LASS_PYTHON bash benchmarks/run.sh --device "$device" --quick \
    --output "$output" --only "joint_training ${shape[*]-}" --only "search ${shape[*]-}" \
    --only "generation ${shape[*]-}" --only "low_rank ${large[*]-}"
measured=$?
# tiny models on a CPU need not be fast
[ -n "$dry" ] && [ "$measured" = 1 ] && ! grep -q FAILED "$output" && measured=0
[ "$measured" = 0 ] || status=1
exit "$status"
