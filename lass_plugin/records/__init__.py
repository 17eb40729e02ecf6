"""Records: results as JSON, CSV, Markdown, LaTeX and pictures, each written in one way.

A result is first a record: one JSON file with all of it, and with its format and
version. Tables and pictures are made from that record and written beside it, so they
can be made again from the file alone.

    SWEEP = RecordFormat("lass_plugin sweep", "a sweep.json of 'lass sweep'")

    data = SWEEP.write(folder / "sweep.json", {"variants": rows})
    table = write_csv(data.with_suffix(".csv"), rows)
    return [data, table, *draw_sweep(data)]

    def draw_sweep(data: Path) -> list[Path]:
        with SWEEP.reading(data) as record:  # whatever is amiss in it names the file
            curves = [Curve(row["name"], row["x"], row["y"]) for row in record["rows"]]
        return draw_curves(curves, data.with_suffix(".png"), "Title", "x", "y")

* json_record: :class:`.RecordFormat`; ``reading`` (a block), ``read``,
  ``read_or_none``; :func:`.read_json` for files that are not of this package. A file
  that was written without format and version before it got them is of a format that
  is ``unmarked``.
* fields: :func:`.filled`, plain values of a file as what they should be.
* csv_table: :func:`.to_csv`, :func:`.write_csv` of dictionaries.
* table: a :class:`.Table` with a title, notes and averages at its foot, for a terminal
  (:func:`.to_text`), as Markdown and as LaTeX.
* text_tables: what these are made of, and ``print_table`` for a table without a title.
* figures: colours, marks and :func:`.save_figure`; heat_map: :func:`.heat_map`,
  :func:`.heat_panels`; curves: :func:`.draw_curves`, :func:`.draw_panels`.

Layers, heads and neurons are counted from 0 in all of them, as in the names of weights.
"""
