"""The tables of He 2023 and Lin 2021, as Markdown, LaTeX, CSV and JSON.

``compared_reports``: systems of several reports; ``kept_references``: the references
beside these; ``retesting``: the significance that they lack; ``layout``: how scores are
laid out; ``score_tables``: the tables of scores; ``cost``: parameters, bytes and speed;
``data_table``: the data of the pairs; ``table_files``: the files of tables.
"""
