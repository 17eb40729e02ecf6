"""Tables of the papers as data, and our own scores beside them."""
