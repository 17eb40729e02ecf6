"""Low-rank modules of one language each beside the matrices of a frozen base model.

LSLo (Cao 2024): h = W x + B_l A_l x, where W is the base's and A_l, B_l are those of
the source or target language of the batch. In the order of use: matrices, planning;
products, modules, attaching; base, training, pruning; carried, state, contents; then
estimation, inference and exchange. ``fit`` goes from a base to individual ranks.
"""
