#!/usr/bin/env bash
# Compare ways to search sub-networks under equal conditions: dense, random masks and the
# four searches of He 2023 (Table 1, rows of sub-network extraction), on your own text.
#
#   bash scripts/compare_searches.sh TEXT OUT PAIRS     TEXT as for lass prepare
#
# From one base: a search of each pair by each system, joint training under its masks, the
# same training without masks, and one table of all. Lengths are environment variables:
#   BASE=3000 SEARCH=400 JOINT=800 RATIO=0.4 VOCAB=4000 SEED=1 JOBS=2 LIMIT=300
# Further ones: FLAGS, options of fairseq-train for the base and for joint training;
# WARMUP=200, updates of the base; PREPARE, options of lass prepare; CUDA=1 for a GPU.
# One-shot searches by magnitude and by gradient train alike, so one run serves both.
# A killed run goes on when it is started again.
set -euo pipefail
text=${1:?folder of the text} out=${2:?folder of the results} pairs=${3:?de-en,en-de,…}
. "$(dirname "${BASH_SOURCE[0]}")/comparison.sh"

lass prepare --text "$text" --out "$out/data" --pairs "$pairs" --vocab-size "$vocabulary" \
    ${PREPARE:-}

# nothing runs beside the base, so it has all cores
OMP_NUM_THREADS=$((OMP_NUM_THREADS * jobs)) train base "$base_updates" \
    --lr-scheduler inverse_sqrt --warmup-updates "$warmup" $cpu

# stages, rate and warm-up of the searches are those that lass search derives
search oneshot gradient-oneshot gradient oneshot $cpu
search magnitude-gradual magnitude-gradual magnitude gradual $cpu
search gradient-gradual gradient-gradual gradient gradual $cpu
lass extract "$out/search/oneshot" --criterion magnitude --ratio "$ratio" \
    --out "$out/masks/magnitude-oneshot"
lass random --like "$out/masks/gradient-oneshot" --ratio "$ratio" --seed "$seed" \
    --out "$out/masks/random"

systems=(--system "dense=$out/dense/checkpoint_last.pt")
running=()
finish() { # waits for all that runs; ends the script if one has failed
    for each in "${running[@]}"; do
        wait "$each" || { echo "error: a training failed; see $out/*/log" >&2; exit 1; }
    done
    running=()
}
for name in dense random magnitude-oneshot magnitude-gradual gradient-oneshot \
    gradient-gradual; do
    masks=()
    if [ "$name" != dense ]; then
        masks=(--masks "$out/masks/$name")
        systems+=(--system "$name=$out/$name/checkpoint_last.pt")
    fi
    train "$name" "$joint_updates" "${start[@]}" ${masks[@]+"${masks[@]}"} $cpu &
    running+=($!)
    if [ ${#running[@]} -ge "$jobs" ]; then finish; fi
done
if [ ${#running[@]} -gt 0 ]; then finish; fi
systems+=(--system "base=$out/base/checkpoint_last.pt")
for name in magnitude-oneshot gradient-gradual; do
    lass compare "$out/masks/$name" --out "$out/similarity-$name" >/dev/null
done
lass evaluate "$out/data" "${systems[@]}" --beam 4 --max-len-a 1.2 --max-len-b 10 \
    --limit "$limit" $cpu --out "$out/report"
