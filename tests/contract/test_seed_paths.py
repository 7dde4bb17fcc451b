"""Every field that the seed documents has one verdict."""

from tests.contract import seed


def test_the_seed_documents_2056_fields() -> None:
    assert len(seed.documented()) == len(set(seed.documented())) == 2056


def test_every_field_has_exactly_one_verdict() -> None:
    verdicts, _ = seed.judged()
    assert {path: given for path, given in verdicts.items() if len(given) != 1} == {}


def test_every_word_of_the_table_says_something() -> None:
    assert seed.judged()[1] == ()
