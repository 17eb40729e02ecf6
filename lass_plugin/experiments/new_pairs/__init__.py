"""New pairs for a trained model (Lin 2021, §5.2.1): as data flows.

The vocabulary grows behind what is there, data and checkpoint follow, ways to train are
run side by side, and a report shows scores and moved weights over the steps.
"""
