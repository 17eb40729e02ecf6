"""Leave out heads and hidden units, shared or of each language its own (Li 2022).

    lass gates importance DATA --checkpoint base.pt --out importance/
    lass gates select importance/ --sparsity 0.5 --out gates/
    fairseq-train DATA --user-dir lass_plugin --task translation_gates \\
        --gates gates/ --finetune-from-model base.pt …
    lass gates export joint.pt --key de-en --out de-en.pt
    lass gates draw gates/ --out pictures/

importance   the importance of every head and unit for every pair, in one pass
select       gates at a sparsity, or for any (--dynamic)
show         the sparsity of each key and layer
export       one key as a smaller model, for fairseq, ONNX
draw         pictures of what is removed where
speed        parameters and speed over the sparsity
losses       what pruning costs each language, over the size of its corpus

Without 'select', --task translation_gates --gates-learn learns gates by L0
regularization. 'lass gates MODE --help' explains the options of each.
"""

HELP = "gates of a model: importance, selection, pictures, smaller models (Li 2022)"

MODES = {
    "importance": "gates_importance",
    "select": "gates_select",
    "show": "gates_show",
    "export": "gates_export",
    "draw": "gates_draw",
    "speed": "gates_speed",
    "losses": "gates_losses",
}
