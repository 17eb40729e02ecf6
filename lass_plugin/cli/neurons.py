"""Find the neurons that a language pair needs, and give each pair its own (Xie 2021).

    lass neurons importance DATA --checkpoint base.pt --out importance/
    lass neurons allocate importance/ --out masks/
    fairseq-train DATA --user-dir lass_plugin --masks masks/ …

importance   the importance of every neuron for every pair, in one pass over the data
allocate     general neurons and those of single pairs, as masks; as often as you like
show         where the specific neurons are: LScore and MScore over the layers
curves       importance of neurons, pair against pair
erase        what erasing general or specific neurons does to every pair
sweep        train and score under several k and rho, variants and criteria

Training and translation use neuron masks as they use every mask. 'lass neurons MODE
--help' explains the options of each.
"""

HELP = "importance of neurons and their allocation to pairs (Xie 2021)"

MODES = {
    "importance": "neurons_importance",
    "allocate": "neurons_allocate",
    "show": "neurons_show",
    "curves": "neurons_curves",
    "erase": "neurons_erase",
    "sweep": "neurons_sweep",
}
