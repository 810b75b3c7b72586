"""What generated coins are called: mostly plain, some as strange as those on the market.

The odd symbols are the kinds counted in CoinGecko's list of 2026-01: shared by dozens of coins,
symbol and name both shared, 38 characters, not ASCII, punctuation, a no-break space at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

HEAD = (
    ("BTC", "Bitcoin", "70187.36", 19675987),
    ("ETH", "Ethereum", "3433.691024", 120184719),
    ("USDT", "Tether", "1.0002", 119073359964),
    ("BNB", "BNB", "468.34", 149533651),
    ("SOL", "Solana", "145.0719", 462895610),
    ("XRP", "XRP", "0.5241", 55506157003),
    ("DOGE", "Dogecoin", "0.12648", 144799466384),
    ("ADA", "Cardano", "0.391", 35745243213),
    ("SHIB", "Shiba Inu", "0.00001740283", 589264883286605),
    ("PEPE", "Pepe", "0.000004418", 420689899653544),
)
"""The coins every universe begins with: symbol, name, price in US dollars, supply."""

ODD_SYMBOLS = (
    "🚀",
    "币安人生",
    "LONGESTSYMBOLTHATWASEVERSEENONAMARKET8",
    "ELON\u00a0",
    "$MYRO",
    "C.A.T",
    "ЯБЛ",
    "1/2",
)
_CONSONANTS = "bdfgklmnprstvz"
_VOWELS = "aeiou"
_SYMBOL_SHARED_EVERY, _BOTH_SHARED_EVERY, _ODD_EVERY = 50, 97, 101


class Called(NamedTuple):
    """A coin's names. `slug` is unique in its universe."""

    symbol: str
    name: str
    slug: str


def called() -> Iterator[Called]:
    """Yield the names of coin 0, 1, 2, … without end; they are the same in every universe."""
    previous = Called("", "", "")
    for number in count():
        previous = _name(number, previous)
        yield previous


def _name(number: int, previous: Called) -> Called:
    if number < len(HEAD):
        symbol, name, _, _ = HEAD[number]
        return Called(symbol, name, name.lower().replace(" ", "-"))
    word = _word(number)
    if number % _BOTH_SHARED_EVERY == 0:
        return Called(previous.symbol, previous.name, word)
    if number % _SYMBOL_SHARED_EVERY == 0:
        return Called(HEAD[number // _SYMBOL_SHARED_EVERY % len(HEAD)][0], word.title(), word)
    if number % _ODD_EVERY == 0:
        symbol = ODD_SYMBOLS[number // _ODD_EVERY % len(ODD_SYMBOLS)]
        return Called(symbol, f"{word.title()} {symbol}", word)
    return Called(word[: 3 + number % 3].upper(), word.title(), word)


def _word(number: int) -> str:
    """Return a word that no other number has: syllables are its digits, lowest first."""
    syllables = []
    number += len(_CONSONANTS) * len(_VOWELS)
    while number:
        number, digit = divmod(number, len(_CONSONANTS) * len(_VOWELS))
        syllables.append(_CONSONANTS[digit // len(_VOWELS)] + _VOWELS[digit % len(_VOWELS)])
    return "".join(syllables) + "x"
