"""Gates on heads, hidden units and ranks: pictures and smaller models (Li 2022).

    lass gates export MODEL --gates GATES --key de --out de.pt
    lass gates draw GATES --out pictures/

export       one key as a smaller model, for fairseq, ONNX
draw         pictures of what is removed where
losses       what pruning costs each language, over the size of its corpus

'lass gates MODE --help' explains the options of each.
"""

HELP = "gates of a model: pictures, and smaller models (Li 2022)"

MODES = {
    "export": "gates_export",
    "draw": "gates_draw",
    "losses": "gates_losses",
}
