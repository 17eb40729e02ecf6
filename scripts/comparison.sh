# What the comparisons of searches share; sourced by scripts that have set out and pairs.
# shellcheck shell=bash
base_updates=${BASE:-3000} search_updates=${SEARCH:-400} joint_updates=${JOINT:-800}
ratio=${RATIO:-0.4} vocabulary=${VOCAB:-4000} seed=${SEED:-1} jobs=${JOBS:-2}
limit=${LIMIT:-300} warmup=${WARMUP:-200}
bf16=$(python -c '
import torch
from lass_plugin.training.precision import processor_has_bfloat16
if torch.cuda.is_available() or processor_has_bfloat16(): print("--bf16-autocast")')
flags=${FLAGS---dropout 0.1 --max-tokens 2048 $bf16}
user_dir=$(python -c 'import lass_plugin; print(lass_plugin.__path__[0])')
export PYTHONWARNINGS=ignore OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
cpu=$([ "${CUDA:-0}" = 1 ] || echo --cpu)
mkdir -p "$out"

# joint training; its rate falls to 0, because at a high rate the pairs of the last
# batches decide the scores
start=(--finetune-from-model "$out/base/checkpoint_last.pt")
start+=(--lr-scheduler polynomial_decay --total-num-update "$joint_updates")
start+=(--warmup-updates $((joint_updates / 10)))

validation=(--disable-validation) # of train

once() { # FOLDER OPTIONS -- COMMAND: runs it unless that very command has been run there
    python -m lass_plugin.experiments.once "$@"
}

train() { # NAME UPDATES FLAGS…: a training of all pairs, unless it is done
    local name=$1 updates=$2
    shift 2
    once "$out/$name" --what "training $name" --log "$out/$name/log" \
        --result "$out/$name/checkpoint_last.pt" --done "$out/$name/done" -- \
        fairseq-train "$out/data" --user-dir "$user_dir" --task translation_subnetwork \
        --lang-pairs "$pairs" --encoder-langtok src --decoder-langtok \
        --sampling-method temperature --sampling-temperature 2 \
        --arch transformer_quickstart --share-all-embeddings \
        --criterion label_smoothed_cross_entropy --label-smoothing 0.1 \
        --optimizer strict_adam --adam-betas '(0.9,0.98)' --clip-norm 1.0 \
        --lr 0.003 --num-workers 0 --seed "$seed" \
        --no-epoch-checkpoints --save-interval-updates 250 \
        --keep-interval-updates 1 --log-interval 50 --no-progress-bar \
        --max-update "$updates" --save-dir "$out/$name" "${validation[@]}" $flags "$@"
}

search() { # NAME MASKS CRITERION SCHEDULE FLAGS…
    local name=$1 masks=$2 criterion=$3 schedule=$4
    shift 4
    lass search "$out/data" --base "$out/base/checkpoint_last.pt" --pairs "$pairs" \
        --out "$out/search/$name" --masks-out "$out/masks/$masks" \
        --criterion "$criterion" --schedule "$schedule" --ratio "$ratio" \
        --updates "$search_updates" --jobs "$jobs" "$@" \
        -- --disable-validation --seed "$seed" \
        >"$out/search-$name.txt"
}
