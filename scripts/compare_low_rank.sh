#!/usr/bin/env bash
# Low-rank modules (Cao 2024) on your own text, from weight learning to the table.
#
#   bash scripts/compare_low_rank.sh TEXT OUT LANGUAGES TYPES     TEXT as for lass prepare
#   bash scripts/compare_low_rank.sh TEXT OUT en,de,fr,es,nl,tl 'H=en,de,fr;M=es,nl;V=tl'
#
# The train text of the pairs with PIVOT makes the base, its amounts decide what is high
# and low. Everything after that is many-to-many, in all directions between LANGUAGES, on
# the valid text, which must be the same sentences in all languages; test text is what is
# scored. So dev and devtest of FLORES-101 can be valid and test (scripts/flores.py).
#
# Base; all weights fine-tuned (ft-all); weight learning and the placement that it finds;
# intrinsic subspace estimation and language-specific pruning with their heat maps;
# modules of uniform ranks, of ranks by resource type without and with gradual pruning,
# and of individual ranks out of the estimation; one table of all by resource type.
# Variables: BASE=8000 updates, EPOCHS=15 START=2 LENGTH=8 (T, E, k), UNIFORM='4 8 16',
# BY_TYPE='2;2;8' PRUNED='0.9;0.9;0' ESTIMATE=0.7, FT_RATE=0.0003 RATE=0.003 (rates of
# ft-all and of modules), ABLATIONS=1 (the pruned ranks by type also with an encoder by
# source or by target alone, Table 3, and beside attention or, with FC_BY_TYPE='2;2;16',
# beside fc1 and fc2 alone, Table 4), ONLY='ft-all by-type …' (these trainings; without
# learned it needs a placement that was found before, or PLACEMENT=first:2), BUDGET_RANK=4
# (of individual ranks), TOKENS=1024 (a batch), PIVOT=en, and VOCAB SEED JOBS LIMIT WARMUP
# FLAGS PREPARE CUDA as in compare_searches.sh. BASE_MODEL=FILE takes a base as it is
# instead of training one; DATA must then be its data folder.
# A killed run goes on when it is started again.
set -euo pipefail
text=${1:?folder of the text} out=${2:?folder of the results} languages=${3:?en,de,…}
types=${4:?resource types such as 'H=en,de;V=tl'} pivot=${PIVOT:-en}
export BASE=${BASE:-8000}
FLAGS=${FLAGS---dropout 0 --max-tokens ${TOKENS:-1024} --encoder-normalize-before --decoder-normalize-before}
epochs=${EPOCHS:-15} rank_budget=${BUDGET_RANK:-4} estimate=${ESTIMATE:-0.7}
schedule=(--lslo-pruning-start "${START:-2}" --lslo-pruning-length "${LENGTH:-8}")

known='learned ft-all estimation by-language by-type by-type-pruned individual'
for rank in ${UNIFORM:-4 8 16}; do known+=" rank-$rank"; done
[ -z "${ABLATIONS:-}" ] ||
    known+=' by-source-pruned by-target-pruned attention-pruned fc-pruned'
for name in ${ONLY:-}; do
    [[ " $known " == *" $name "* ]] && continue
    echo "error: ONLY names '$name', which is none of the trainings: $known (ABLATIONS=1 has more)" >&2
    exit 1
done

IFS=, read -ra codes <<<"$languages"
pivot_pairs=() other_pairs=()
for source in "${codes[@]}"; do
    for target in "${codes[@]}"; do
        [ "$source" = "$target" ] && continue
        if [ "$source" = "$pivot" ] || [ "$target" = "$pivot" ]; then
            pivot_pairs+=("$source-$target")
        else
            other_pairs+=("$source-$target")
        fi
    done
done
joined() { local IFS=,; echo "$*"; }
pairs=$(joined "${pivot_pairs[@]}")
. "$(dirname "${BASH_SOURCE[0]}")/comparison.sh"
threads=$((OMP_NUM_THREADS * jobs))

data=${DATA:-$out/data}
if [ -z "${BASE_MODEL:-}" ]; then
    lass prepare --text "$text" --out "$data" --pairs "$pairs" \
        --test-pairs "$(joined "${other_pairs[@]}")" --through "$pivot" \
        --vocab-size "$vocabulary" ${PREPARE:-}
    OMP_NUM_THREADS=$threads train base "$base_updates" --lr-scheduler inverse_sqrt \
        --warmup-updates "$warmup" $cpu
fi
base=${BASE_MODEL:-$out/base/checkpoint_last.pt}

pairs=$(joined "${pivot_pairs[@]}" "${other_pairs[@]}")
wanted() { # NAME: whether this training is to be done
    [ -z "${ONLY:-}" ] || [[ " $ONLY " == *" $1 "* ]]
}
fine_tune() { # NAME TASK FLAGS…: epochs over the valid text, unless it is done
    local name=$1 task=$2
    shift 2
    wanted "$name" || return 0
    once "$out/$name" --what "training $name" --log "$out/$name/log" \
        --result "$out/$name/checkpoint_last.pt" --done "$out/$name/done" -- \
        fairseq-train "$data" --user-dir "$user_dir" --task "$task" \
        --lang-pairs "$pairs" --encoder-langtok src --decoder-langtok \
        --train-subset valid --arch transformer_quickstart --share-all-embeddings \
        --criterion label_smoothed_cross_entropy --label-smoothing 0.1 \
        --optimizer strict_adam --adam-betas '(0.9,0.98)' --clip-norm 1.0 \
        --lr-scheduler inverse_sqrt --warmup-updates 50 --num-workers 0 --seed "$seed" \
        --no-epoch-checkpoints --disable-validation --log-interval 50 \
        --no-progress-bar --max-epoch "$epochs" --save-dir "$out/$name" $flags $cpu "$@"
}
modules() { # NAME FLAGS…
    local name=$1
    shift
    fine_tune "$name" translation_lslo --base "$base" --lr "${RATE:-0.003}" "$@"
}
waiting=()
beside() { # COMMAND…: in the background, JOBS at a time
    "$@" &
    waiting+=($!)
    if [ ${#waiting[@]} -ge "$jobs" ]; then
        wait "${waiting[0]}"
        waiting=("${waiting[@]:1}")
    fi
}
all_done() {
    local process
    for process in ${waiting[@]+"${waiting[@]}"}; do wait "$process"; done
    waiting=()
}

beside modules learned --lslo-ranks 8 --lslo-placement learn
beside fine_tune ft-all translation_subnetwork --finetune-from-model "$base" \
    --lr "${FT_RATE:-0.0003}"
all_done
if wanted learned; then
    lass lslo placement "$out/learned/checkpoint_last.pt" --out "$out/placement" \
        >"$out/placement.txt"
fi
placed=(--lslo-placement "${PLACEMENT:-$out/placement/placement.json}")

pruned=(--lslo-ranks 8 "${placed[@]}" "${schedule[@]}" --lslo-pruning-ratio "$estimate")
beside modules estimation "${pruned[@]}" --lslo-pruning layer
beside modules by-language "${pruned[@]}" --lslo-pruning language
by_type=(--lslo-ranks "${BY_TYPE:-2;2;8}" --resource-types "$types" "${placed[@]}")
systems=(--system "pretrain=$base")
system() { # NAME
    wanted "$1" || return 0
    systems+=(--system "$1=$out/$1/checkpoint_last.pt")
}
system ft-all
for rank in ${UNIFORM:-4 8 16}; do
    beside modules "rank-$rank" --lslo-ranks "$rank" "${placed[@]}"
    system "rank-$rank"
done
beside modules by-type "${by_type[@]}"
gradually=("${schedule[@]}" --lslo-pruning matrix --lslo-pruning-ratio "${PRUNED:-0.9;0.9;0}")
beside modules by-type-pruned "${by_type[@]}" "${gradually[@]}"
if [ -n "${ABLATIONS:-}" ]; then
    pruned_types=(--resource-types "$types" "${gradually[@]}")
    for index in source target; do
        beside modules "by-$index-pruned" --lslo-ranks "${BY_TYPE:-2;2;8}" \
            "${pruned_types[@]}" --lslo-placement "$index"
    done
    beside modules attention-pruned --lslo-ranks "${BY_TYPE:-2;2;8}" \
        "${pruned_types[@]}" "${placed[@]}" --lslo-matrices q,k,v,c-q,c-k,c-v
    beside modules fc-pruned --lslo-ranks "${FC_BY_TYPE:-2;2;16}" \
        "${pruned_types[@]}" "${placed[@]}" --lslo-matrices fc1,fc2
fi
all_done
if wanted estimation; then
    lass lslo estimate "$out/estimation/checkpoint_last.pt" \
        --out "$out/estimation/estimate" --resource-types "$types" \
        ${SIZES:+--sizes "$SIZES"} >"$out/estimation.txt"
fi
if wanted by-language; then
    lass lslo estimate "$out/by-language/checkpoint_last.pt" \
        --out "$out/by-language/estimate" --resource-types "$types" \
        >"$out/by-language.txt"
fi
if wanted individual; then
    lass lslo ranks "$out/estimation/estimate/estimate.json" \
        --budget-rank "$rank_budget" --out "$out/plan.json" >"$out/plan.txt"
    modules individual --lslo-plan "$out/plan.json"
fi
for name in by-type by-type-pruned individual; do system "$name"; done
if [ -n "${ABLATIONS:-}" ]; then
    for name in by-source by-target attention fc; do system "$name-pruned"; done
fi

once "$out/report" --what evaluation --result "$out/report/scores.json" -- \
    lass evaluate "$data" --pairs "$pairs" "${systems[@]}" --beam 5 --max-len-a 1.2 \
    --max-len-b 10 --limit "$limit" $cpu --out "$out/report"
lass table scores "$out/report" --tables types --resource-types "$types" \
    --out "$out/table" | tee "$out/table.txt"
