#!/usr/bin/env bash
# Runs every benchmark and writes what it printed, with the machine and the versions,
# to benchmarks/results-cpu.txt (results-cuda.txt with --device cuda).
#   bash benchmarks/run.sh [--quick] [--device cpu|cuda] [--output FILE]
#       [--only "NAME OPTIONS…"]…
# Goes on where one fails; ends with 1 if one failed or missed its goal.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${LASS_PYTHON:-python}
device=cpu
output=
passed=()
chosen=()
while [ $# -gt 0 ]; do
    case $1 in
        --device) device=$2; shift 2 ;;
        --output) output=$2; shift 2 ;;
        --only) chosen+=("$2"); shift 2 ;;
        *) passed+=("$1"); shift ;;
    esac
done
output=${output:-$here/results-$device.txt}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(nproc 2>/dev/null || echo 2)}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

{
    echo "# Benchmarks on $(date -u +%Y-%m-%d), device $device"
    echo "# processor: $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs)," \
        "$(nproc) cores, OMP_NUM_THREADS=$OMP_NUM_THREADS"
    "$python" - <<'PYTHON'
import platform
from importlib.metadata import PackageNotFoundError, version

import torch


def of(name):
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return None


names = ("fairseq", "fairseq-fixed", "numpy", "safetensors", "lass-plugin")
found = [text for text in map(of, names) if text]
print("# Python", platform.python_version() + ", torch", torch.__version__, end=", ")
print(", ".join(found))
if torch.cuda.is_available():
    print("# GPU:", torch.cuda.get_device_name())
PYTHON
    commit=$(git -C "$here" rev-parse --short HEAD 2>/dev/null) && echo "# commit $commit"
} >"$log"

status=0
every=(sizes checksums memory similarity filling batches epoch_setup generation)
every+=(low_rank_inference search compaction engines search_together joint_training)
every+=(importance importance_sizes "joint_training --neurons" low_rank gradual_over_random encoders)
every+=(gated_training dispatched frozen_base)
[ "${#chosen[@]}" = 0 ] || every=("${chosen[@]}")
for name in "${every[@]}"; do
    read -ra words <<<"$name"
    command=("${words[0]}.py" ${words[@]+"${words[@]:1}"} --device "$device")
    command+=(${passed[@]+"${passed[@]}"})
    echo "== $name"
    {
        echo
        echo "\$ python benchmarks/${command[*]}"
    } >>"$log"
    start=$SECONDS
    timeout 1200 "$python" "$here/${command[0]}" "${command[@]:1}" \
        2>"$log.errors" | tee -a "$log"
    code=${PIPESTATUS[0]}
    if [ "$code" -ne 0 ]; then
        status=1
        # a goal that is missed is seen above; anything else is an error
        grep -q Traceback "$log.errors" || [ "$code" -gt 1 ] && {
            echo "$name FAILED (exit status $code)" | tee -a "$log"
            tail -n 5 "$log.errors" | tee -a "$log"
        }
    fi
    echo "($((SECONDS - start)) s)" | tee -a "$log"
    rm -f "$log.errors"
done

{
    echo
    echo "# Summary"
    grep -E ' ratio [0-9.]+ goal |FAILED' "$log"
} >"$log.summary"
cat "$log.summary" >>"$log"
mv "$log" "$output"
chmod 644 "$output"
cat "$log.summary"
rm -f "$log.summary"
exit "$status"
