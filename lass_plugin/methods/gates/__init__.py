"""Gates on heads, hidden units and ranks of the embedding (Li 2022).

The files, in the order in which they stand on each other:

    components          what a gate stands on, and its weight (Appendix B)
    hard_concrete       gates that are learned (Eq. 5 to 9)
    ranking             which components go at a sparsity
    penalties           what pulls gates to a size and languages apart (Eq. 10 to 13)
    dynamic             any sparsity from one training (Eq. 14 to 16, Appendix D)
    embedding           an embedding as a product, whose rank gates lower (Eq. 3)
    gating              gates on a model (Eq. 1 and 2)
    importance,
    stored_importance   what every component is worth (Eq. 4)
    selecting, sets     the gates of all language keys, and their folder
    options, beginning,
    frozen, learned,
    method              training with gates that stay, and with gates that learn
    shares              what gates leave out of each layer
    narrowing, export   the model of one key without what its gates close
"""
