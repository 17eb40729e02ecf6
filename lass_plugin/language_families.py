"""Families of common languages: a table of linguists, and those of the papers.

The built-in table has genealogical families and their branches; not scripts and not
areas. The papers' own are taken by name. They are kept as they are: He 2023, Table 14,
puts Farsi, which is Iranian and so Indo-European, into a cluster "Afro-Asiatic".
"""

import csv
import json
import os
import re

from lass_plugin.errors import LassError
from lass_plugin.files import read_text
from lass_plugin.languages import base_language

_TABLE = {
    "Afro-Asiatic/Chadic": "ha:hau",
    "Afro-Asiatic/Cushitic": "om:orm so:som",
    "Afro-Asiatic/Semitic": "am:amh ar:ara:arb he:heb:iw mt:mlt ti:tir",
    "Austroasiatic/Khmer": "km:khm",
    "Austroasiatic/Vietic": "vi:vie",
    "Austronesian/Malayo-Polynesian": (
        "ceb id:ind jv:jav mg:mlg ms:msa:zsm mi:mri su:sun tl:tgl:fil"
    ),
    "Basque": "eu:eus",
    "Dravidian": "kn:kan ml:mal ta:tam te:tel",
    "Indo-European/Albanian": "sq:sqi:als",
    "Indo-European/Armenian": "hy:hye",
    "Indo-European/Baltic": "lt:lit lv:lav:lvs",
    "Indo-European/Celtic": "br:bre cy:cym ga:gle gd:gla",
    "Indo-European/Germanic": (
        "af:afr da:dan de:deu en:eng fo:fao fy:fry is:isl lb:ltz nb:nob nl:nld "
        "nn:nno no:nor sv:swe yi:yid:ydd"
    ),
    "Indo-European/Hellenic": "el:ell",
    "Indo-European/Indo-Aryan": (
        "as:asm bn:ben gu:guj hi:hin mr:mar ne:nep:npi or:ori:ory pa:pan sd:snd "
        "si:sin ur:urd"
    ),
    "Indo-European/Iranian": "fa:fas:pes ku:kur:kmr ps:pus:pbt tg:tgk",
    "Indo-European/Romance": (
        "an:arg ast ca:cat es:spa fr:fra gl:glg it:ita oc:oci pt:por ro:ron"
    ),
    "Indo-European/Slavic": (
        "be:bel bg:bul bs:bos cs:ces hr:hrv hsb mk:mkd pl:pol ru:rus sh:hbs sk:slk "
        "sl:slv sr:srp uk:ukr"
    ),
    "Japonic": "ja:jpn",
    "Kartvelian": "ka:kat",
    "Koreanic": "ko:kor",
    "Kra-Dai/Tai": "lo:lao th:tha",
    "Mongolic": "mn:mon:khk",
    "Niger-Congo/Atlantic": "ff:ful wo:wol",
    "Niger-Congo/Bantu": (
        "kam lg:lug ln:lin nso ny:nya rw:kin sn:sna ss:ssw sw:swa:swh tn:tsn xh:xho "
        "zu:zul"
    ),
    "Niger-Congo/Volta-Niger": "ig:ibo yo:yor",
    "Sino-Tibetan/Burmese": "my:mya",
    "Sino-Tibetan/Sinitic": "yue zh:zho:cmn",
    "Turkic": "az:aze:azj ba:bak kk:kaz ky:kir tk:tuk tr:tur tt:tat ug:uig uz:uzb:uzn",
    "Uralic/Finnic": "et:est:ekk fi:fin",
    "Uralic/Hungarian": "hu:hun",
    "Uralic/Sami": "se:sme",
}
"""Family/branch -> its languages, the codes of each with colons between."""

FAMILIES: dict[str, str] = {
    code: family
    for family, languages in _TABLE.items()
    for language in languages.split()
    for code in language.split(":")
}
"""ISO 639 code of two or three letters -> family/branch."""
FIRST_CODES: dict[str, str] = {
    code: language.split(":")[0]
    for languages in _TABLE.values()
    for language in languages.split()
    for code in language.split(":")
}
"""Code of a language -> its first one, of two letters where there is one."""


def first_code(code: str) -> str:
    """The code of two letters of a language, if it has one: ``de`` of ``deu_Latn``."""
    base = base_language(code)
    return FIRST_CODES.get(base, base)


MISSING_FAMILY = "Missing"
"""What Li 2022, Table 4, has where no family is known."""

_LI_2022 = {
    "Afro-Asiatic": "am ar ha he so",
    "Austro-Asiatic": "km vi",
    "Austronesian": "id jv su tl",
    "Constructed language": "eo",
    "Dravidian": "kn ml ta ta-rom te te-rom",
    "Indo-European": (
        "af as be bg bn bn-rom br bs ca cs cy da de el en es fr fy ga gd gl gu hi "
        "hi-rom hr hy is it ku la lt mk mr ne nl no or pa pl pt ro ru sa sd si sk sl "
        "sr sv uk ur ur-rom yi"
    ),
    "Japonic": "ja",
    "Kartvelian": "ka",
    "Koreanic": "ko",
    "Kra-Dai": "lo th",
    "Language isolate": "eu",
    MISSING_FAMILY: "fa lv mg mn ms om ps sq uz",
    "Niger-Congo": "sw xh",
    "Sino-Tibetan": "my my-zaw zh-Hans zh-Hant",
    "Turkic": "az kk ky tr ug",
    "Uralic": "et fi hu",
}
LI_2022: dict[str, str] = {
    language: family
    for family, languages in _LI_2022.items()
    for language in languages.split()
}
"""The 100 languages of CC-100 -> their families, as Li 2022, Table 4, has them (from
Ethnologue); its gaps and its groups are kept."""

_OF_PAPERS = {
    "he2023": {
        "Afro-Asiatic/Iranian": "fa",
        "Afro-Asiatic/Semitic": "ar he",
        "European/Germanic": "de nl",
        "European/Romance": "es it",
        "European/Slavic": "pl",
    },
    "he2023-data": {
        "Arabic": "ar",
        "Baltic": "lt lv",
        "Chinese": "zh",
        "Dravidian": "ta",
        "Germanic": "de nl",
        "Indo-Aryan": "gu",
        "Iranian": "fa ps",
        "Japonic": "ja",
        "Romance": "es fr it ro",
        "Semitic": "he",
        "Slavic": "cs pl ru",
        "Turkic": "kk tr",
        "Uralic": "et fi",
    },
    "lin2021": {
        "Arabic/Arabic": "ar",
        "Arabic/Iranian": "fa",
        "Hebrew/Semitic": "he",
        "Latin/Germanic": "de nl",
        "Latin/Romance": "es it",
        "Latin/Slavic": "pl",
    },
    "cao2024": {
        "Afro-Asiatic": "am ar ha he mt",
        "Balto-Slavic": "ru",
        "Bantu": "kam ny sn zu",
        "Germanic": "af de en nl no",
        "Indo-Aryan": "hi or sd",
        "Japonic": "ja",
        "Koreanic": "ko",
        "Nilotic+Other AC": "ff wo yo",
        "Other IE": "hy",
        "Romance": "es fr it oc pt",
        "Sino-Tibetan": "zh",
    },
}
"""He 2023, Table 14 (cluster/branch; IWSLT) and Tables 4 and 5 (IWSLT, WMT); Lin 2021,
Fig. 5 (script/branch); Cao 2024, Tables 5 and 6."""

PAPERS: dict[str, dict[str, str]] = {
    **{
        name: {code: family for family, of in table.items() for code in of.split()}
        for name, table in _OF_PAPERS.items()
    },
    "li2022": LI_2022,
}
"""Name of a paper's table -> language -> family, by the paper's codes."""


def _language_alone(code: str) -> str:
    """*code* without what follows the language in ``zh_CN`` or ``sr@latin``."""
    return re.split("[_@.-]", code, maxsplit=1)[0].lower()


def family_of(code: str) -> str | None:
    """Family of a language in the built-in table; None if it is not there.

    What follows the language in codes such as ``zh_CN`` is left out.
    """
    return FAMILIES.get(_language_alone(code))


def family_of_li_2022(code: str) -> str | None:
    """Family of a language in :data:`LI_2022`; None if it is not there.

    ``zh`` and ``zh_CN`` are there as ``zh-Hans`` and ``zh-Hant``, which are of one
    family.
    """
    alone = _language_alone(code)
    for name in (code, alone):
        if name in LI_2022:
            return LI_2022[name]
    found = {LI_2022[each] for each in LI_2022 if _language_alone(each) == alone}
    return found.pop() if len(found) == 1 else None


def families_at(place: str) -> dict[str, str]:
    """The table of a paper, by its name in :data:`PAPERS`, or of a file.

    Raises:
        LassError: there is neither, or see :func:`read_families`.
    """
    if place in PAPERS:
        return PAPERS[place]
    if not os.path.exists(place):
        raise LassError(
            f"--families {place} is neither a file nor one of {', '.join(PAPERS)}"
        )
    return read_families(place)


def read_families(path: str | os.PathLike) -> dict[str, str]:
    """Read a table of a user: language -> family.

    A JSON object, or lines with the language, a tab and the family. A family is a name,
    or a path with slashes, the larger group first: ``Indo-European/Germanic``. Empty
    lines and lines that begin with # are left out.

    Raises:
        LassError: it cannot be read, or a language is there twice.
    """
    text = read_text(path, "a family table")
    if text.lstrip().startswith("{"):
        rows = _from_json(text, path)
    else:
        rows = []
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip() and not line.startswith("#"):
                row = next(csv.reader([line], delimiter="\t", quoting=csv.QUOTE_NONE))
                if len(row) != 2:
                    raise LassError(
                        f"line {number} of {path} is not a language, a tab and a "
                        f"family: '{line}'"
                    )
                rows.append((row[0], row[1]))
    table: dict[str, str] = {}
    for language, family in rows:
        language, family = language.strip(), family.strip().strip("/")
        if not language or not family:
            raise LassError(f"{path} has a language or a family without a name")
        if language in table:
            raise LassError(f"{path} has {language} twice; keep one of the lines")
        table[language] = family
    if not table:
        raise LassError(f"{path} holds no language; write LANGUAGE, a tab, FAMILY")
    return table


def _from_json(text: str, path: str | os.PathLike) -> list[tuple[str, str]]:
    try:
        rows = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise LassError(f"{path} is not JSON ({error})") from error
    for language, family in rows:
        if not isinstance(family, str):
            raise LassError(f"the family of {language} in {path} is not a name")
    return rows
