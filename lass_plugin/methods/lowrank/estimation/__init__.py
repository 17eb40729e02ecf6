"""Intrinsic subspaces: what gradual pruning left of each B says what is in demand
(Cao 2024, Eq. 6, Fig. 2 and 4 to 6, Tables 9 and 10)."""
