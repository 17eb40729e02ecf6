"""The page of a run: one HTML file with all that its folder has to show.

Nothing is computed here but what ``lass table scores`` computes, by the same functions;
the rest is found in the folder's records and put on the page. The same run gives the
same bytes.

* holdings: what the folder holds: records, reports, pages of tables, pictures.
* stages: which commands made it, how far they are, what each training was told.
* scores, examples, pictures, versions, repeating: what goes into the page's sections.
* page: the sections in their order, through the template ``page.html``.

The page needs no network and no script; its security policy forbids both. All text in
it is escaped by the template, and of SVG only what draws is taken.
"""
