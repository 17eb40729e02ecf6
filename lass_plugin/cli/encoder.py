"""Multilingual encoders (XLM-R and others): their text, other layouts, smaller ones.

    fairseq-train DATA --user-dir lass_plugin --task masked_lm_languages …

prepare      a data folder from text of single languages
convert      an encoder in Hugging Face's layout as a folder of fairseq's
trim         an encoder without the pieces that some text does not use
flags        the options of fairseq-train that build an encoder
modules      an encoder with a module of each language: X-MOD
halve        every second layer of an encoder, the student of a distillation

'lass encoder MODE --help' explains the options of each.
"""

HELP = "multilingual encoders: their text, other layouts, smaller ones (Li 2022)"

MODES = {
    "prepare": "encoder_prepare",
    "convert": "encoder_convert",
    "trim": "encoder_trim",
    "flags": "encoder_flags",
    "modules": "encoder_modules",
    "halve": "encoder_halve",
}
