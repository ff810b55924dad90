"""Sparse keys against scikit-learn's TF-IDF, whose words are not hashed."""

import random

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from trainer.neighbours.terms import count_terms, document_frequencies, inverse_frequencies, weigh

FEATURES = 2**20


def texts(number: int) -> list[str]:
    draw = random.Random(number)  # noqa: S311  # texts, not secrets
    words = [f"word{int(draw.random() ** 3 * 60)}" for _ in range(number * 9)]
    return [" ".join(words[9 * n : 9 * n + n % 10]).title() + " A b, the" for n in range(number)]


def keys_of(known: list[str], asked: list[str]) -> np.ndarray:
    """Give the cosines of all pairs."""
    counts = count_terms(known, FEATURES)
    idf_V = inverse_frequencies(document_frequencies(counts), len(known))
    keys, questions = weigh(counts, idf_V), weigh(count_terms(asked, FEATURES), idf_V)
    return (questions @ keys.T).toarray()


def test_cosines_are_those_of_scikit_learn() -> None:
    known, asked = texts(70), ["word3 word3 WORD7, word1!", "", "unheard of", *texts(20)]
    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2, max_df=0.2, dtype=np.float32)
    keys = vectorizer.fit_transform(known)
    # fp32 sums of a dozen terms in another order; no two of so few words share a hash.
    np.testing.assert_allclose(keys_of(known, asked), (vectorizer.transform(asked) @ keys.T).toarray(), atol=1e-6)


def test_frequencies_of_parts_add_up() -> None:
    known = texts(30)
    whole = document_frequencies(count_terms(known, FEATURES))
    parts = [document_frequencies(count_terms(part, FEATURES)) for part in (known[:7], known[7:], [])]
    assert np.array_equal(whole, np.sum(parts, axis=0))


def test_a_word_of_one_record_or_of_every_fifth_weighs_nothing() -> None:
    assert inverse_frequencies(np.array([0, 1, 2, 4, 5]), 20).tolist() == [
        0,
        0,
        *(np.log(21 / np.array([3, 5])) + 1).astype(np.float32).tolist(),
        0,
    ]


def test_no_text_and_a_text_without_a_word_have_empty_keys() -> None:
    assert count_terms([], FEATURES).shape == (0, FEATURES)
    assert keys_of(["a b", ""], ["", "?"]).tolist() == [[0, 0], [0, 0]]
