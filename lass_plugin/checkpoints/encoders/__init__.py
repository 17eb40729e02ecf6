"""Encoders from elsewhere, as folders of fairseq's: model, dictionary, pieces."""
