"""Redaction."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.text import KINDS, redact
from examples.text.redaction import Kind

relaxed = settings(deadline=None)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ruth.adeyemi@example.org", "email"),
        ("o'brien+shop@mail.example.co.uk", "email"),
        ("4111 1111 1111 1111", "card"),
        ("5555-5555-5555-4444", "card"),
        ("378282246310005", "card"),
        ("DE89 3704 0044 0532 0130 00", "iban"),
        ("GB82WEST12345698765432", "iban"),
        ("+44 20 7946 0991", "phone"),
        ("(555) 010-4477", "phone"),
        ("555-010-2299", "phone"),
        ("030/901820", "phone"),
    ],
)
def test_private_data_is_replaced_by_its_kind(text: str, kind: str) -> None:
    """Nothing of it is left, and nothing around it is taken."""
    redaction = redact(f"Write to {text}, please. Or to ({text}).")
    assert redaction.text == f"Write to [{kind}], please. Or to ([{kind}])."
    assert redaction.found == {kind: 2}


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # Luhn's sum is off by one
        "0000 0000 0000 0000 0",
        "DE88 3704 0044 0532 0130 00",
        "2024-03-15",
        "1,234,567.89",
        "0.123456789",
        "3.14159265",
        "meet @ noon",
        "N-85176",
        "user@localhost",
    ],
)
def test_what_only_looks_private_is_left_alone(text: str) -> None:
    """Wrong check digits, dates, amounts and order numbers stay readable."""
    assert redact(f"Take {text} now.").text == f"Take {text} now."


@relaxed
@given(st.text() | st.text(alphabet="+0123456789 ()-./@ax", max_size=60))
def test_redacting_twice_is_redacting_once(text: str) -> None:
    """What was replaced does not give rise to new findings, and the marks are as many as were counted."""
    once = redact(text)
    assert redact(once.text).text == once.text
    assert sum(once.text.count(f"[{kind}]") - text.count(f"[{kind}]") for kind in KINDS) == sum(once.found.values())


@relaxed
@given(st.text(alphabet=st.characters(exclude_categories=["Nd"], exclude_characters="@")))
def test_a_text_without_digits_and_at_signs_is_unchanged(text: str) -> None:
    assert redact(text).text == text


@relaxed
@given(st.lists(st.integers(0, 9), min_size=12, max_size=18).filter(lambda digits: len(set(digits)) > 1))
def test_exactly_one_check_digit_makes_a_card_number(digits: list[int]) -> None:
    """Luhn's sum finds each wrong last digit. A leading zero could be a telephone, so only cards are looked for."""
    candidates = ["".join(map(str, [*digits, last])) for last in range(10)]
    found = [redact(candidate, ["card"]).found for candidate in candidates]
    assert found.count({"card": 1}) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_kinds_asked_for_are_replaced(kind: Kind) -> None:
    text = "a@example.org, DE89 3704 0044 0532 0130 00, 4111 1111 1111 1111, +49 30 901820"
    assert redact(text, [kind]).found == {kind: 1}


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown kind 'shoe size'"):
        redact("x", ["email", "shoe size"])
