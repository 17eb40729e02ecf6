#!/usr/bin/env bash
# Compare ways to search sub-networks under equal conditions: dense, random masks and the
# four searches of He 2023 (Table 1, rows of sub-network extraction), on your own text.
#
#   bash scripts/compare_searches.sh TEXT OUT PAIRS     TEXT as for lass prepare
#
# From one base: a search of each pair by each system, joint training under its masks, the
# same training without masks, and one table of all. Lengths are environment variables:
#   BASE=3000 SEARCH=400 JOINT=800 RATIO=0.4 VOCAB=4000 SEED=1 JOBS=2 LIMIT=300
# One-shot searches by magnitude and by gradient train alike, so one run serves both.
# A killed run goes on when it is started again.
set -euo pipefail
text=${1:?folder of the text} out=${2:?folder of the results} pairs=${3:?de-en,en-de,…}
base_updates=${BASE:-3000} search_updates=${SEARCH:-400} joint_updates=${JOINT:-800}
ratio=${RATIO:-0.4} vocabulary=${VOCAB:-4000} seed=${SEED:-1} jobs=${JOBS:-2}
limit=${LIMIT:-300} user_dir=$(python -c 'import lass_plugin; print(lass_plugin.__path__[0])')
export PYTHONWARNINGS=ignore OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
cpu=$([ "${CUDA:-0}" = 1 ] || echo --cpu)
mkdir -p "$out"

lass prepare --text "$text" --out "$out/data" --pairs "$pairs" --vocab-size "$vocabulary"

train() { # NAME UPDATES FLAGS…: a training of all pairs, unless it is done
    local name=$1 updates=$2
    shift 2
    [ -f "$out/$name/done" ] && return 0
    mkdir -p "$out/$name"
    fairseq-train "$out/data" --user-dir "$user_dir" --task translation_subnetwork \
        --lang-pairs "$pairs" --encoder-langtok src --decoder-langtok \
        --sampling-method temperature --sampling-temperature 2 \
        --arch transformer_quickstart --share-all-embeddings --dropout 0.1 \
        --criterion label_smoothed_cross_entropy --label-smoothing 0.1 \
        --optimizer strict_adam --adam-betas '(0.9,0.98)' --clip-norm 1.0 \
        --lr 0.003 --max-tokens 2048 --bf16-autocast --num-workers 0 --seed "$seed" \
        --no-epoch-checkpoints --disable-validation --save-interval-updates 250 \
        --keep-interval-updates 1 --log-interval 50 --no-progress-bar \
        --max-update "$updates" --save-dir "$out/$name" "$@" >>"$out/$name/log" 2>&1
    touch "$out/$name/done"
}

search() { # NAME CRITERION SCHEDULE FLAGS…
    local name=$1 criterion=$2 schedule=$3
    shift 3
    lass search "$out/data" --base "$out/base/checkpoint_last.pt" --pairs "$pairs" \
        --out "$out/search/$name" --masks-out "$out/masks/$criterion-$schedule" \
        --criterion "$criterion" --schedule "$schedule" --ratio "$ratio" \
        --updates "$search_updates" --jobs "$jobs" "$@" \
        -- --lr 0.001 --warmup-updates 20 --disable-validation --seed "$seed" \
        >"$out/search-$name.txt"
}

# nothing runs beside the base, so it has all cores
OMP_NUM_THREADS=$((OMP_NUM_THREADS * jobs)) train base "$base_updates" \
    --lr-scheduler inverse_sqrt --warmup-updates 200 $cpu

third=$((search_updates / 3))
search oneshot gradient oneshot $cpu
search magnitude-gradual magnitude gradual --start 0 --ramp $((2 * third)) $cpu
search gradient-gradual gradient gradual --start 0 --ramp $((2 * third)) $cpu
lass extract "$out/search/oneshot" --criterion magnitude --ratio "$ratio" \
    --out "$out/masks/magnitude-oneshot"
lass random --like "$out/masks/gradient-oneshot" --ratio "$ratio" --seed "$seed" \
    --out "$out/masks/random"

systems=(--system "dense=$out/dense/checkpoint_last.pt")
# the rate falls to 0: at a high rate the pairs of the last batches decide the scores
start=(--finetune-from-model "$out/base/checkpoint_last.pt")
start+=(--lr-scheduler polynomial_decay --total-num-update "$joint_updates")
start+=(--warmup-updates $((joint_updates / 10)))
running=0
for name in dense random magnitude-oneshot magnitude-gradual gradient-oneshot \
    gradient-gradual; do
    masks=()
    if [ "$name" != dense ]; then
        masks=(--masks "$out/masks/$name")
        systems+=(--system "$name=$out/$name/checkpoint_last.pt")
    fi
    train "$name" "$joint_updates" "${start[@]}" ${masks[@]+"${masks[@]}"} $cpu &
    running=$((running + 1))
    if [ $((running % jobs)) = 0 ]; then wait; fi
done
wait
systems+=(--system "base=$out/base/checkpoint_last.pt")
for name in magnitude-oneshot gradient-gradual; do
    lass compare "$out/masks/$name" --out "$out/similarity-$name" >/dev/null
done
lass evaluate "$out/data" "${systems[@]}" --beam 4 --max-len-a 1.2 --max-len-b 10 \
    --limit "$limit" $cpu --out "$out/report"
