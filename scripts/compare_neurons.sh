#!/usr/bin/env bash
# Neuron allocation (Xie 2021) on your own text: the comparisons, the two criteria, the
# variants, and what the neurons show.
#
#   bash scripts/compare_neurons.sh TEXT OUT PAIRS       TEXT as for lass prepare
#
# Trains a multilingual base, a wider one (+Expansion) and one model for each pair
# (Individual); measures importance; allocates by Taylor expansion (each position, each
# sentence) and absolute value, and by pair, source, target, and source and target;
# trains each as long as the base goes on without masks; one table of all. Then layer
# scores, importance curves, erased neurons, sweeps over k and rho, and smaller models.
# Variables: BASE=3000 JOINT=800 VOCAB=4000 SEED=1 JOBS=2 LIMIT=300 WARMUP=200 FLAGS
# PREPARE CUDA as in compare_searches.sh, and
#   INDIVIDUAL, updates of each pair's own model (default: BASE / number of pairs);
#   WIDE=375, hidden units of +Expansion (the base has 256; the paper 3,000 and 2,048);
#   GENERAL=0.9 THRESHOLD=0.7, rho and k; GENERALS=0.8,0.9,0.95 THRESHOLDS=0.1:0.9:0.2
#   and SWEEP, updates of each variant of the sweep (default: JOINT / 2);
#   SAMPLE, sentences of each pair that importance is measured on (default: all);
#   ERASE, pairs whose specific neurons are erased (default: all);
#   HALF=0.5, share of the parameters of feed-forward layers that a smaller model keeps.
# A killed run goes on when it is started again.
set -euo pipefail
text=${1:?folder of the text} out=${2:?folder of the results} pairs=${3:?de-en,en-de,…}
. "$(dirname "${BASH_SOURCE[0]}")/comparison.sh"
general=${GENERAL:-0.9} threshold=${THRESHOLD:-0.7} half=${HALF:-0.5}
IFS=, read -ra each_pair <<<"$pairs"
individual=${INDIVIDUAL:-$((base_updates / ${#each_pair[@]}))}
translation=(--beam 4 --max-len-a 1.2 --max-len-b 10 --limit "$limit" $cpu)
threads=$((OMP_NUM_THREADS * jobs))

lass prepare --text "$text" --out "$out/data" --pairs "$pairs" --vocab-size "$vocabulary" \
    ${PREPARE:-}

from_nothing() { # NAME UPDATES FLAGS…
    local name=$1 updates=$2
    shift 2
    OMP_NUM_THREADS=$threads train "$name" "$updates" --lr-scheduler inverse_sqrt \
        --warmup-updates "$warmup" $cpu "$@"
}
wide=(--encoder-ffn-embed-dim "${WIDE:-375}" --decoder-ffn-embed-dim "${WIDE:-375}")
from_nothing base "$base_updates"
from_nothing wide-base "$base_updates" "${wide[@]}"
for pair in "${each_pair[@]}"; do
    from_nothing "individual/$pair" "$individual" --lang-pairs "$pair"
done

importance() { # BASE OUT FLAGS…
    local base=$1 target=$2
    shift 2
    once "$target" --what importance --result "$target/importance.safetensors" -- \
        lass neurons importance "$out/data" --checkpoint "$out/$base/checkpoint_last.pt" \
        ${SAMPLE:+--sample "$SAMPLE"} $cpu --out "$target" "$@"
}
importance base "$out/importance"
importance wide-base "$out/wide-importance"

allocate() { # IMPORTANCE NAME FLAGS…
    local measured=$1 name=$2
    shift 2
    once "$out/masks/$name" --what allocation --output "$out/allocate-$name.txt" \
        --result "$out/masks/$name/allocation.json" -- \
        lass neurons allocate "$measured" --general "$general" \
        --out "$out/masks/$name" "$@"
}
with_k=(--threshold "$threshold")
allocate "$out/importance" taylor "${with_k[@]}"
allocate "$out/importance" taylor-sentence --criterion taylor-sentence "${with_k[@]}"
allocate "$out/importance" absolute --criterion absolute "${with_k[@]}"
for by in source target separate; do
    allocate "$out/importance" "by-$by" --by "$by" "${with_k[@]}"
done
allocate "$out/wide-importance" wide "${with_k[@]}"

OMP_NUM_THREADS=$threads train dense "$joint_updates" "${start[@]}" $cpu
systems=(--system "dense=$out/dense/checkpoint_last.pt")
for name in taylor taylor-sentence absolute by-source by-target by-separate; do
    OMP_NUM_THREADS=$threads train "$name" "$joint_updates" "${start[@]}" \
        --masks "$out/masks/$name" $cpu
    systems+=(--system "$name=$out/$name/checkpoint_last.pt")
done
wide_start=("${start[@]}")
wide_start[1]=$out/wide-base/checkpoint_last.pt
OMP_NUM_THREADS=$threads train wide "$joint_updates" "${wide_start[@]}" "${wide[@]}" \
    --masks "$out/masks/wide" $cpu
systems+=(--system "wide=$out/wide/checkpoint_last.pt")
systems+=(--system "base=$out/base/checkpoint_last.pt")

evaluated() { # REPORT FLAGS…
    local report=$1
    shift
    once "$report" --what evaluation --result "$report/scores.json" -- \
        lass evaluate "$out/data" "$@" "${translation[@]}" --out "$report"
}
evaluated "$out/report" "${systems[@]}"
for pair in "${each_pair[@]}"; do
    evaluated "$out/individual/$pair/report" --pairs "$pair" \
        --system "individual=$out/individual/$pair/checkpoint_last.pt"
done
for pair in "${each_pair[@]}"; do
    python - "$out/individual/$pair/report/scores.json" "$pair" <<'PYTHON'
import json
import sys

(system,) = json.load(open(sys.argv[1]))["systems"]
scores = system["pairs"][sys.argv[2]]["scores"]
print("individual", sys.argv[2], *(f"{k} {v['value']:.2f}" for k, v in scores.items()))
PYTHON
done | tee "$out/individual.txt"

lass neurons show "$out/masks/taylor" --out "$out/show" >"$out/show.txt"
lass neurons curves "$out/importance" --out "$out/curves" >"$out/curves.txt"
[ ${#each_pair[@]} -lt 3 ] || # two pairs make no tree
    lass tree "$out/curves/importance_correlation.json" --leaves pairs \
        --out "$out/tree" >"$out/tree.txt"
lass similarity "$out/masks/taylor" --by component --out "$out/similarity" \
    >"$out/similarity.txt"
lass neurons erase "$out/data" --checkpoint "$out/taylor/checkpoint_last.pt" \
    --allocation "$out/masks/taylor" ${ERASE:+--pairs "$ERASE"} "${translation[@]}" \
    --out "$out/erase" >"$out/erase.txt"
sweep_updates=${SWEEP:-$((joint_updates / 2))}
lass neurons sweep "$out/data" --base "$out/base/checkpoint_last.pt" \
    --importance "$out/importance" --general "${GENERALS:-0.8,0.9,0.95}" \
    --thresholds "${THRESHOLDS:-0.1:0.9:0.2}" --criterion taylor,absolute \
    --updates "$sweep_updates" --jobs "$jobs" --beam 4 --limit "$limit" $cpu \
    --out "$out/sweep" -- $flags --lr 0.003 --lr-scheduler polynomial_decay \
    --total-num-update "$sweep_updates" --seed "$seed" >"$out/sweep.txt"

# a smaller model for each pair: hidden units under a budget, trained, cut out
importance base "$out/importance-hidden" --units ffn-hidden
allocate "$out/importance-hidden" half --general 0.3 --budget "$half" \
    --checkpoint "$out/base/checkpoint_last.pt"
OMP_NUM_THREADS=$threads train half "$joint_updates" "${start[@]}" \
    --masks "$out/masks/half" $cpu
evaluated "$out/report-half" --system "dense=$out/dense/checkpoint_last.pt" \
    --system "half=$out/half/checkpoint_last.pt"
pair=${each_pair[0]}
lass export "$out/half/checkpoint_last.pt" --pair "$pair" --compact \
    --out "$out/compact.$pair.pt" | tee "$out/compact.txt"
