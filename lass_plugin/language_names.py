"""Names and scripts of common languages, for tables.

Scripts are called as in Tables 4 and 5 of He 2023: Chinese, and "Kanji; Kana".
"""

import re

from lass_plugin.language_families import FIRST_CODES

_TABLE = {
    "Arabic": "ar:Arabic fa:Farsi ps:Pashto sd:Sindhi ug:Uyghur ur:Urdu",
    "Armenian": "hy:Armenian",
    "Bengali": "as:Assamese bn:Bengali",
    "Burmese": "my:Burmese",
    "Chinese": "yue:Cantonese zh:Chinese",
    "Cyrillic": (
        "ba:Bashkir be:Belarusian bg:Bulgarian kk:Kazakh ky:Kyrgyz mk:Macedonian "
        "mn:Mongolian ru:Russian sr:Serbian tg:Tajik tt:Tatar uk:Ukrainian"
    ),
    "Devanagari": "hi:Hindi mr:Marathi ne:Nepali",
    "Ethiopic": "am:Amharic ti:Tigrinya",
    "Georgian": "ka:Georgian",
    "Greek": "el:Greek",
    "Gujarati": "gu:Gujarati",
    "Gurmukhi": "pa:Punjabi",
    "Hangul": "ko:Korean",
    "Hebrew": "he:Hebrew yi:Yiddish",
    "Kanji; Kana": "ja:Japanese",
    "Kannada": "kn:Kannada",
    "Khmer": "km:Khmer",
    "Lao": "lo:Lao",
    "Latin": (
        "af:Afrikaans an:Aragonese ast:Asturian az:Azerbaijani br:Breton bs:Bosnian "
        "ca:Catalan ceb:Cebuano cs:Czech cy:Welsh da:Danish de:German en:English "
        "es:Spanish et:Estonian eu:Basque ff:Fula fi:Finnish fo:Faroese fr:French "
        "fy:Frisian ga:Irish gd:Scottish_Gaelic gl:Galician ha:Hausa hr:Croatian "
        "hsb:Upper_Sorbian hu:Hungarian id:Indonesian ig:Igbo is:Icelandic it:Italian "
        "jv:Javanese kam:Kamba ku:Kurdish lb:Luxembourgish lg:Ganda ln:Lingala "
        "lt:Lithuanian lv:Latvian mg:Malagasy mi:Maori ms:Malay mt:Maltese "
        "nb:Norwegian_Bokmål nl:Dutch nn:Norwegian_Nynorsk no:Norwegian "
        "nso:Northern_Sotho ny:Nyanja oc:Occitan om:Oromo pl:Polish pt:Portuguese "
        "ro:Romanian rw:Kinyarwanda se:Northern_Sami sh:Serbo-Croatian sk:Slovak "
        "sl:Slovenian sn:Shona so:Somali sq:Albanian ss:Swati su:Sundanese sv:Swedish "
        "sw:Swahili tk:Turkmen tl:Tagalog tn:Tswana tr:Turkish uz:Uzbek vi:Vietnamese "
        "wo:Wolof xh:Xhosa yo:Yoruba zu:Zulu"
    ),
    "Malayalam": "ml:Malayalam",
    "Oriya": "or:Oriya",
    "Sinhala": "si:Sinhala",
    "Tamil": "ta:Tamil",
    "Telugu": "te:Telugu",
    "Thai": "th:Thai",
}
"""Script -> the languages that are written in it, code and name."""

_ENTRIES = {
    code: (name.replace("_", " "), script)
    for script, languages in _TABLE.items()
    for entry in languages.split()
    for code, _, name in (entry.partition(":"),)
}
_SCRIPTS = {
    "arab": "Arabic",
    "cyrl": "Cyrillic",
    "cyrillic": "Cyrillic",
    "deva": "Devanagari",
    "hans": "Chinese",
    "hant": "Chinese",
    "latn": "Latin",
    "latin": "Latin",
}
"""What a code may have behind its language -> the script."""


def name_of(code: str) -> str | None:
    """English name of a language, None if it is not known; ``zh_CN`` is Chinese."""
    return _entry(code)[0]


def script_of(code: str) -> str | None:
    """What a language is written in; ``sr_Latn`` and ``sr@latin`` say it themselves."""
    parts = re.split("[_@.-]", code.lower())[1:]
    said = [_SCRIPTS[part] for part in parts if part in _SCRIPTS]
    return said[0] if said else _entry(code)[1]


def _entry(code: str) -> tuple[str | None, str | None]:
    alone = re.split("[_@.-]", code, maxsplit=1)[0].lower()
    return _ENTRIES.get(FIRST_CODES.get(alone, alone), (None, None))
