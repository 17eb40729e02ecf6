"""The tables of He 2023 and Lin 2021, as Markdown, LaTeX, CSV and JSON.

``side_by_side``: systems of several reports; ``sizes``: training data of the pairs;
``scores``: the tables of scores; ``cost``: parameters and bytes; ``cost_tables``: these
with the speed; ``data``: the data of the pairs; ``table``: a table and its forms;
``writing``: its files.
"""
