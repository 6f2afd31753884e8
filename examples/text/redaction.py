"""Redaction: private data found by its shape and its check digits, and replaced by its kind."""

import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["email", "iban", "card", "phone"]

_CARD_DIGITS = range(13, 20)
_PHONE_DIGITS = range(7, 16)

# Every repetition is bounded or starts where the one before cannot, so no text makes a scan quadratic.
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}(?:'[\w.+-]{1,64})?@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?!\w)")
_CARD = re.compile(r"(?<![\d+])[0-9](?:[ -]?[0-9]){12,18}(?!\d)")
# What a number starts with, the rest of an area code, and the digits in groups.
_PHONE = re.compile(
    r"""
    (?<![\w.,+-])(?<![0-9][ ])
    (?:\+ | \(0[0-9]{1,4}\) | 0(?!\.) | \([0-9]{3}\) | [0-9]{3}[ .-](?=[0-9]{3}[ .-][0-9]{4}(?!\d)))
    [0-9]{0,4}
    (?:[ ()/.-]{0,2}[0-9]){4,14}
    (?!\d)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """A text without its private data."""

    text: str
    found: dict[str, int]  # how many of each kind were replaced; a kind that was not found is left out


def _is_iban(candidate: str) -> bool:
    """Check the two digits by ISO 7064, mod 97."""
    compact = candidate.replace(" ", "")
    return int("".join(str(int(character, 36)) for character in compact[4:] + compact[:4])) % 97 == 1


def _is_card(candidate: str) -> bool:
    """Check the last digit by Luhn's sum."""
    digits = [int(character) for character in candidate if character.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return len(digits) in _CARD_DIGITS and len(set(digits)) > 1 and (sum(doubled) + sum(digits[::-2])) % 10 == 0


def _is_phone(candidate: str) -> bool:
    return sum(character.isdigit() for character in candidate) in _PHONE_DIGITS


def _is_email(candidate: str) -> bool:
    return not candidate.startswith(".")


_CHECKS: dict[Kind, tuple[re.Pattern[str], Callable[[str], bool]]] = {
    "email": (_EMAIL, _is_email),
    "iban": (_IBAN, _is_iban),
    "card": (_CARD, _is_card),
    "phone": (_PHONE, _is_phone),
}
KINDS: tuple[Kind, ...] = get_args(
    Kind
)  # in the order they are looked for: a card number may look like a phone number, not vice versa


def redact(text: str, kinds: Collection[str] = KINDS) -> Redaction:
    """Replace private data by its kind in brackets, such as ``[email]``.

    Card numbers and IBANs are replaced only when their check digits are right. Phone numbers are those that start with
    ``+`` or ``0`` or a bracketed area code, or are written 3-3-4.

    Args:
        text: Any text.
        kinds: Which of ``KINDS`` to look for.

    Raises:
        ValueError: One of ``kinds`` is not known.
    """
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise ValueError(f"unknown kind {unknown[0]!r}; known are {', '.join(KINDS)}")
    found: Counter[str] = Counter()
    for kind in KINDS:
        if kind in kinds:
            pattern, check = _CHECKS[kind]
            text, number = _replace(text, pattern, check, f"[{kind}]")
            found[kind] += number
    return Redaction(text=text, found={kind: number for kind, number in found.items() if number})


def _replace(text: str, pattern: re.Pattern[str], check: Callable[[str], bool], mark: str) -> tuple[str, int]:
    """Replace what matches and passes the check; return the new text and how many there were."""
    pieces: list[str] = []
    position = 0
    for match in pattern.finditer(text):
        if check(match.group()):
            pieces += (text[position : match.start()], mark)
            position = match.end()
    pieces.append(text[position:])
    return "".join(pieces), len(pieces) // 2
