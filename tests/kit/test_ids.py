"""Ids: 26 characters, no two alike, no character likelier than another."""

from collections import Counter

from exclave.kit import ids


def test_an_id_has_its_kind_and_23_characters_of_the_alphabet() -> None:
    made = ids.new_id("inl")
    assert made[:3] == "inl"
    assert ids.is_id(made)
    assert len({ids.new_id("inl") for _ in range(1000)}) == 1000


def test_every_character_comes_as_often_as_any_other() -> None:
    drawn = 4000
    counts = Counter(character for _ in range(drawn) for character in ids.new_id("")[:23])
    assert set(counts) == set(ids.ALPHABET)
    expected = drawn * 23 / 36
    chi_squared = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_squared < 90  # 35 degrees of freedom: a fair draw exceeds it once in a million times
