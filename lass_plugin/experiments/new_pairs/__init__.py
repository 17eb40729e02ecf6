"""New pairs for a trained model (Lin 2021, §5.2.1): as data flows.

The vocabulary grows behind what is there, data and checkpoint follow, ways to train are
run side by side, effects are counted, and a curve shows them over the steps.
"""
