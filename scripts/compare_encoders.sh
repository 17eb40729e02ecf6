#!/usr/bin/env bash
# Structured pruning of a multilingual encoder (Li 2022): what half of the heads and
# hidden units cost on tasks of XTREME, method by method, all trained equally long.
#
#   bash scripts/compare_encoders.sh ENCODER TEXT TASKS OUT
#
# ENCODER: model.pt, dict.txt, sentencepiece.bpe.model (lass encoder convert or trim);
# TEXT: {train,valid}.LANG; TASKS: a folder with udpos/, panx/, pawsx/, xquad/, tatoeba/
# (some of them) as their files are published, or scripts/xtreme_samples.py makes them.
# Every row goes on with masked language modelling for UPDATES, is fine-tuned on the
# English training set of each task, and scored in every language that TEXT and the task
# share. Rows (ROWS):
#   dense             the encoder as it is
#   half              every second layer, taught by the whole (distillation)
#   gradient-shared   by importance (Eq. 4), the same for all languages
#   gradient          by importance, each language its own
#   l0-native         learned with Eq. 10, whose weight NATIVE decides what is left
#   l0                learned with Eq. 11 and 12, at SPARSITY
#   dynamic           by importance for any sparsity (Eq. 14-16), taken at SPARSITY
#   dynamic-l0        the same, learned
#   xmod              a module of each language in every layer, nothing left out
# Variables: LANGS (default: all of TEXT), UPDATES=400 TOKENS=1024 LR=0.0002 of masked
# language modelling; EPOCHS=3 TUNE_LR=0.0001 BATCH=32 of fine-tuning; SPARSITY=0.5
# SEEDS=1 JOBS=2 (each with OMP_NUM_THREADS=1) RATE=100 (gates learn at so many times the
# rate) SIZE=8 NATIVE=8 (λ₁ of l0 and l0-native); SAMPLE=1000 sentences of a language for
# importance; SWEPT="udpos tatoeba", tasks of the rows dynamic… at 10 to 90 %; CUDA=1 for
# a GPU. A killed run goes on when it is started again.
# Writes OUT/tables-SEED (all tasks and languages), OUT/tables-swept-SEED,
# OUT/pictures-SEED, and OUT/ROW-SEED/sizes/sizes.txt (of the exported English model).
set -euo pipefail
encoder=${1:?folder of the encoder} text=${2:?folder of the text}
tasks=${3:?folder of the tasks} out=${4:?folder of the results}
updates=${UPDATES:-400} tokens=${TOKENS:-1024} sparsity=${SPARSITY:-0.5} jobs=${JOBS:-2}
read -ra rows <<<"${ROWS:-dense half gradient-shared gradient l0-native l0 dynamic \
dynamic-l0 xmod}"
read -ra seeds <<<"${SEEDS:-1}"
read -ra swept <<<"${SWEPT-udpos tatoeba}"
export PYTHONWARNINGS=ignore OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
cpu=$([ "${CUDA:-0}" = 1 ] || echo --cpu)
user_dir=$(python -c 'import lass_plugin; print(lass_plugin.__path__[0])')
langs=${LANGS:-$(find "$text" -name 'train.*' | sed 's/\.gz$//; s/.*\.//' | sort -u |
    paste -sd,)}
mkdir -p "$out"

once() { python -m lass_plugin.experiments.once "$@"; }

lass encoder prepare --text "$text" --out "$out/mlm" --languages "$langs" \
    --spm-model "$encoder/sentencepiece.bpe.model" --dict "$encoder/dict.txt"
there=()
for task in udpos panx pawsx xquad tatoeba; do
    [ -d "$tasks/$task" ] || continue
    there+=("$task")
    both=$(python - "$tasks/$task" "$task" "$langs" <<'PYTHON'
import sys
from pathlib import Path
from lass_plugin.corpora.xtreme.corpus import Corpus
from lass_plugin.corpora.xtreme.tasks import task_of
there = Corpus(task_of(sys.argv[2]), Path(sys.argv[1])).languages("test")
print(",".join(each for each in there if each in sys.argv[3].split(",")))
PYTHON
)
    lass xtreme prepare "$task" --data "$tasks/$task" --model "$encoder" \
        --out "$out/tasks/$task" --languages "$both"
done

once "$out/importance" --what importance \
    --result "$out/importance/component_importance.safetensors" -- \
    lass gates importance "$out/mlm" --checkpoint "$encoder/model.pt" \
    --out "$out/importance" --sample "${SAMPLE:-1000}" $cpu
select_gates() { # NAME FLAGS…
    local name=$1
    shift
    once "$out/gates/$name" --what "selection $name" --output "$out/gates/$name.txt" -- \
        lass gates select "$out/importance" --out "$out/gates/$name" "$@"
}
select_gates gradient --sparsity "$sparsity"
select_gates gradient-shared --sparsity "$sparsity" --shared
select_gates dynamic --dynamic
once "$out/half" --what "half of the encoder" --result "$out/half/model.pt" -- \
    lass encoder halve "$encoder/model.pt" --out "$out/half/model.pt"
once "$out/xmod" --what "encoder with modules" --result "$out/xmod/model.pt" -- \
    lass encoder modules "$encoder/model.pt" --languages "$langs" \
    --out "$out/xmod/model.pt"

start_of() { # ROW: what its training begins from
    case $1 in
    half | xmod) echo "$out/$1/model.pt" ;;
    *) echo "$encoder/model.pt" ;;
    esac
}
flags_of() { # ROW: task and criterion of its masked language modelling
    local gates="--task masked_lm_gates"
    local plain="--task masked_lm_languages --criterion masked_lm"
    local learn="--gates-learn --gates-rate ${RATE:-100} --criterion masked_lm"
    case $1 in
    half)
        echo --task masked_lm_languages --criterion masked_lm_distillation \
            --teacher "$encoder/model.pt"
        ;;
    gradient | gradient-shared | dynamic)
        echo "$gates --gates $out/gates/$1 --criterion masked_lm"
        ;;
    dynamic-l0) echo "$gates --gates $out/gates/dynamic $learn" ;;
    l0)
        echo "$gates $learn --gates-sparsity $sparsity" \
            "--gates-size-weight ${SIZE:-8}"
        ;;
    l0-native)
        echo "$gates $learn --gates-penalty native --gates-size-weight ${NATIVE:-8}"
        ;;
    *) echo "$plain" ;;
    esac
}
training() { # FOLDER WHAT WORDS…: a training that is run once
    local folder=$1 what=$2
    shift 2
    once "$folder" --what "$what" --log "$folder/log" \
        --result "$folder/checkpoint_last.pt" -- fairseq-train "$@" \
        --user-dir "$user_dir" --save-dir "$folder" --optimizer strict_adam \
        --adam-betas '(0.9,0.98)' --clip-norm 1.0 --num-workers 0 \
        --no-epoch-checkpoints --no-progress-bar --log-interval 20 $cpu
}
fine_tune() { # ROW SEED TASK SPARSITY FOLDER
    local row=$1 seed=$2 task=$3 at=$4 folder=$5 arch examples steps
    arch=$(lass encoder flags "$(start_of "$row")")
    examples=$(python - "$out/tasks/$task" <<'PYTHON'
import sys
from pathlib import Path
from lass_plugin.data.xtreme.stored import Prepared, read_stored
prepared = Prepared.read(Path(sys.argv[1]))
print(len(read_stored(prepared.path("train", "en"), prepared.task)))
PYTHON
)
    steps=$((${EPOCHS:-3} * (examples + ${BATCH:-32} - 1) / ${BATCH:-32}))
    training "$folder" "fine-tuning of $row on $task" "$out/tasks/$task" --task xtreme \
        --criterion xtreme $arch --batch-size "${BATCH:-32}" --no-save-optimizer-state \
        --finetune-from-model "$out/$row-$seed/mlm/checkpoint_last.pt" \
        ${at:+--sparsity "$at"} --lr "${TUNE_LR:-0.0001}" --max-update "$steps" \
        --lr-scheduler polynomial_decay --total-num-update "$steps" \
        --warmup-updates $((steps / 10)) --seed "$seed" --disable-validation
}
layer_of() { # ROW: as deep as the eighth of twelve, whose states retrieve
    local words layers
    words=" $(lass encoder flags "$(start_of "$1")") "
    layers=${words#* --encoder-layers }
    layers=${layers%% *}
    echo "--layer $(((8 * layers + 6) / 12))"
}
scored() { # ROW SEED TASK SPARSITY NAME SCORES
    local trained=$out/$1-$2/mlm layer=""
    if [ "$3" = tatoeba ]; then
        layer=$(layer_of "$1")
    else
        trained=$out/$1-$2/$3${4:+-$4}
        fine_tune "$1" "$2" "$3" "$4" "$trained"
    fi
    once "$6" --what "scores of $5 on $3" --result "$6/scores.json" -- \
        lass xtreme evaluate "$out/tasks/$3" --checkpoint "$trained/checkpoint_last.pt" \
        --name "$5" ${4:+--sparsity "$4"} $layer --out "$6" $cpu
}
row() { # ROW SEED: everything about it
    local row=$1 seed=$2 model at="" task each
    model=$(start_of "$row")
    case $row in dynamic*) at=$sparsity ;; esac
    training "$out/$row-$seed/mlm" "masked language modelling of $row" "$out/mlm" \
        $(lass encoder flags "$model") $(flags_of "$row") --finetune-from-model "$model" \
        --tokens-per-sample 64 --skip-invalid-size-inputs-valid-test \
        --max-tokens "$tokens" --lr "${LR:-0.0002}" \
        --max-update "$updates" --lr-scheduler polynomial_decay \
        --total-num-update "$updates" --warmup-updates $((updates / 10)) --seed "$seed"
    case $row in
    gradient* | l0* | dynamic*)
        once "$out/$row-$seed/sizes" --what "sizes of $row" \
            --output "$out/$row-$seed/sizes/sizes.txt" -- lass gates export \
            "$out/$row-$seed/mlm/checkpoint_last.pt" --key en \
            ${at:+--sparsity "$at"} --out "$out/$row-$seed/sizes/en.pt"
        awk -v row="$row" -v wanted="$sparsity" '/^sparsity/ {
            if ($2 < wanted - 0.05 || $2 > wanted + 0.05)
                print "warning: " row " leaves out " $2 " of the heads and hidden units " \
                    "of English, not " wanted ", so it does not compare; learned gates " \
                    "need more UPDATES" }' "$out/$row-$seed/sizes/sizes.txt" >&2
        ;;
    esac
    for task in "${there[@]}"; do
        scored "$row" "$seed" "$task" "$at" "$row" "$out/scores-$seed/$row/$task"
    done
    [ -n "$at" ] || return 0
    for each in 0.1 0.3 0.5 0.7 0.9; do
        for task in ${swept[@]+"${swept[@]}"}; do
            [[ " ${there[*]} " == *" $task "* ]] || continue
            scored "$row" "$seed" "$task" "$each" "$row-$each" \
                "$out/swept-$seed/$row-$each/$task"
        done
    done
}

running=() failed=0
ended() { # waits for one of the rows that run
    wait -n "${running[@]}" || failed=1
    mapfile -t running < <(jobs -rp)
}
for seed in "${seeds[@]}"; do
    for name in "${rows[@]}"; do
        while [ "${#running[@]}" -ge "$jobs" ]; do ended; done
        echo "$name, seed $seed"
        row "$name" "$seed" &
        running+=("$!")
    done
done
while [ "${#running[@]}" -gt 0 ]; do ended; done
if [ "$failed" = 1 ]; then
    echo "error: a row has failed, as said above; the others are kept" >&2
    exit 1
fi

for seed in "${seeds[@]}"; do
    lass xtreme table "$out/scores-$seed"/*/* --baseline dense --out "$out/tables-$seed"
    if [ -d "$out/swept-$seed" ]; then
        lass xtreme table "$out/swept-$seed"/*/* --out "$out/tables-swept-$seed"
    fi
    drawn=()
    for name in "${rows[@]}"; do
        case $name in
        gradient* | l0* | dynamic*)
            drawn+=("$name=$out/$name-$seed/mlm/checkpoint_last.pt")
            ;;
        esac
    done
    [ "${#drawn[@]}" = 0 ] || lass gates draw "${drawn[@]}" --sparsity "$sparsity" \
        --model "$encoder/model.pt" --out "$out/pictures-$seed"
done
