"""The token: the unit that everything with a price per token is counted in.

Ours, small and deterministic, so that anybody can recount a charge: the text is brought to Unicode NFC and
cut left to right into

* runs of letters, each cut further into pieces of at most six letters ("indexing" = "indexi" + "ng"),
* runs of digits, cut into pieces of at most three,
* single ideographs, kana or Hangul syllables (each is a token),
* single other characters that are not white space.

White space costs nothing.  English prose comes out at about 1.3 tokens a word, near what the tokenizers of
language models give.  The same text always has the same number of tokens, on every machine.
"""

import re
import unicodedata

LETTERS_PER_TOKEN = 6
DIGITS_PER_TOKEN = 3

_WIDE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_TOKEN = re.compile(
    rf"[{_WIDE}]|(?:(?![{_WIDE}])[^\W\d_]){{1,{LETTERS_PER_TOKEN}}}|\d{{1,{DIGITS_PER_TOKEN}}}|[^\w\s]|_"
)
_WORD = re.compile(r"[^\W\d_][\w'’-]*", re.UNICODE)


def tokens(text):
    """The list of tokens of `text`, in order."""
    return _TOKEN.findall(unicodedata.normalize("NFC", text))


def count(text):
    """The number of tokens in `text`: an int, 0 for the empty string."""
    return len(tokens(text))


def words(text):
    """Lower-case words, for terms and feature hashing.  These are not tokens and are never charged."""
    return [w.rstrip("'’-") for w in _WORD.findall(unicodedata.normalize("NFC", text).lower())]


STOP_WORDS = frozenset(
    """a about above after again all also although always am an and another any are as at be because been
    before being below between both but by can cannot could did do does doing done down during each either
    else etc even every few first following for from further given had has have having he her here hers him
    his how however i if in into is it its itself just last like made make makes many may me might more most
    much must my new no nor not now of off often on once one only or other others our out over own per
    possible same see set several shall she should since so some still such than that the their them then
    there these they this those through thus to too two under until up upon us use used uses using usually
    very via was way we well were what when where whether which while who whom whose why will with within
    without would yet you your example section chapter figure table note""".split()
)


def terms(text):
    """The words of `text` that carry meaning: no stop words, nothing shorter than three letters."""
    return [w for w in words(text) if len(w) > 2 and w not in STOP_WORDS]
