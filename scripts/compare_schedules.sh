#!/usr/bin/env bash
# Compare searches of several scores, schedules, lengths and ratios: losses under their
# masks, and BLEU after joint training under them beside dense and controls.
#
#   bash scripts/compare_schedules.sh TEXT OUT PAIRS SEARCHED
#
# TEXT as for lass prepare; PAIRS (de-en,en-de,…) are those of the base, which trains until
# pair_loss is flat; SEARCHED, some of them, those that are searched and trained jointly.
# Variables: LENGTHS="300 600 1200", updates of each search; RATIOS="0.2 0.4 0.6";
# SEEDS="1 2" of joint training; CONTROLLED=600, length whose gradual search by gradient
# gets controls of equal overlap and profile; BASE=8000 and PATIENCE=8, most updates of
# the base and validations (every 250) without gain; JOINT=1000 VOCAB=4000 JOBS=2
# LIMIT=500; WARMUP=200 of the base; FLAGS, options of fairseq-train for the base, TUNING
# for searches and joint training, which have those of the base else; PREPARE, of lass
# prepare; CUDA=1 for a GPU. A killed run goes on when it is started again.
# Writes OUT/settled-LENGTH (figures of the searches), OUT/losses (of the base under every
# mask) and OUT/sweep-SEED, OUT/controls-SEED (BLEU and chrF).
set -euo pipefail
text=${1:?folder of the text} out=${2:?folder of the results} pairs=${3:?de-en,en-de,…}
searched=${4:?directions to search, some of the third argument}
BASE=${BASE:-8000} JOINT=${JOINT:-1000} LIMIT=${LIMIT:-500}
. "$(dirname "${BASH_SOURCE[0]}")/comparison.sh"
read -ra lengths <<<"${LENGTHS:-300 600 1200}"
read -ra ratios <<<"${RATIOS:-0.2 0.4 0.6}"
read -ra seeds <<<"${SEEDS:-1 2}"
controlled=${CONTROLLED:-600}
listed=$(IFS=,; echo "${ratios[*]}")

lass prepare --text "$text" --out "$out/data" --pairs "$pairs" --vocab-size "$vocabulary" \
    ${PREPARE:-}

validation=(--validate-interval-updates 250 --best-checkpoint-metric pair_loss)
OMP_NUM_THREADS=$((OMP_NUM_THREADS * jobs)) train base "$base_updates" \
    --lr-scheduler inverse_sqrt --warmup-updates "$warmup" $cpu \
    --patience "${PATIENCE:-8}"
base=$out/base/checkpoint_best.pt

find_masks() { # LENGTH RATIO CRITERION SCHEDULE
    local name=$3-$4-$2
    if [ "$4" = oneshot ]; then name=$3-$4; fi
    lass search "$out/data" --base "$base" --pairs "$searched" --updates "$1" --ratio "$2" \
        --criterion "$3" --schedule "$4" --out "$out/search-$1/$name" --jobs "$jobs" $cpu \
        -- --disable-validation --seed "$seed" ${TUNING:-}
}
joint() { # FOLDER SEED FLAGS OF lass sweep…
    local folder=$1 seed=$2
    shift 2
    lass sweep "$out/data" --base "$base" --out "$out/$folder" --updates "$joint_updates" \
        --ratios "$listed" --beam 4 --limit "$limit" --jobs "$jobs" $cpu "$@" -- \
        --lr-scheduler polynomial_decay --total-num-update "$joint_updates" \
        --warmup-updates $((joint_updates / 10)) --seed "$seed" ${TUNING:-}
}

for length in "${lengths[@]}"; do
    # scores of one-shot searches give masks at every ratio, their weights by magnitude
    for criterion in gradient sensitivity; do
        find_masks "$length" "${ratios[0]}" "$criterion" oneshot
    done
    for ratio in "${ratios[@]}"; do
        for criterion in gradient sensitivity magnitude; do
            find_masks "$length" "$ratio" "$criterion" gradual
        done
    done
    lass settled "$out/search-$length"/* --out "$out/settled-$length"
done
methods=()
for length in "${lengths[@]}"; do
    methods+=({gradient,sensitivity,magnitude}-{oneshot,gradual}-"$length")
done
all=(--searches "$out"/search-*/* --random "$listed")
all+=(--methods "$(IFS=,; echo "${methods[*]}")")
lass sweep "$out/data" --base "$base" --out "$out/losses" --losses-only \
    --ratios "$listed" "${all[@]}" --controls overlap,profile,profile+overlap $cpu
for each in "${seeds[@]}"; do
    joint "sweep-$each" "$each" "${all[@]}"
    joint "controls-$each" "$each" --controls overlap,profile+overlap \
        --searches "$out/search-$controlled"/gradient-gradual-*
done
