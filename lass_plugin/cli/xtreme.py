"""Fine-tune and score an encoder on the nine tasks of XTREME (Hu 2020; Li 2022).

    lass xtreme prepare xnli --data XNLI/ --model xlmr.base/ --out data/xnli
    fairseq-train data/xnli --user-dir lass_plugin --task xtreme --criterion xtreme …
    lass xtreme evaluate data/xnli --checkpoint checkpoint_best.pt --out scores/xnli
    lass xtreme table scores/*

prepare    a task's original files, as a model reads them
evaluate   predictions and scores of every language
table      all tasks and languages of several systems, with significance

BUCC and Tatoeba need no training. 'lass xtreme MODE --help' explains the options.
"""

HELP = "fine-tune and score encoders on the XTREME tasks (Li 2022)"

MODES = {
    "prepare": "xtreme_prepare",
    "evaluate": "xtreme_evaluate",
    "table": "xtreme_table",
}
