"""The linear classifier of texts, against loops and scikit-learn."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from benchmarks.quality.linear_text import LinearText, TfIdf

WORDS = [f"w{number}" for number in range(12)]


def corpus(seed: int, records: int) -> tuple[list[str], np.ndarray]:
    """Invent texts of six words; label j is true where word j stands, and now and then at random."""
    generator = np.random.default_rng(seed)
    chosen = generator.integers(0, len(WORDS), (records, 6))
    truth_NL = (chosen[:, :, None] == np.arange(3)).any(axis=1) ^ (generator.random((records, 3)) < 0.1)
    return [" ".join(WORDS[word] for word in row) for row in chosen], truth_NL.astype(np.float32)


def test_words_are_weighed_as_scikit_learn_weighs_them() -> None:
    texts, _ = corpus(0, 50)
    ours = TfIdf.fit(texts, least_records=1)
    peer = TfidfVectorizer(sublinear_tf=True, smooth_idf=False, token_pattern=r"\w+")  # noqa: S106
    theirs = peer.fit_transform(texts).toarray()[:, [peer.vocabulary_[word] for word in ours.columns]]
    np.testing.assert_allclose(ours(texts).toarray(), theirs, atol=1e-6)  # fp32


def test_rare_and_unknown_words_do_not_count() -> None:
    words = TfIdf.fit(["A b", "b c", "a", "a"], least_records=2)
    assert set(words.columns) == {"a", "b"}
    assert words(["c d", "a z", ""]).toarray().tolist() == [[0, 0], [1, 0], [0, 0]]


def test_it_ranks_as_a_logistic_regression_does_on_other_records() -> None:
    (texts, truth_NL), (others, other_truth_NL) = corpus(1, 2000), corpus(2, 500)
    model = LinearText.fit(texts, sparse.csr_matrix(truth_NL), epochs=100)
    predicted_NL = model.scores_NL(others) > 0
    for label in range(3):
        peer = LogisticRegression(C=100, max_iter=1000).fit(model.words(texts), truth_NL[:, label])
        theirs = (peer.predict(model.words(others)) == other_truth_NL[:, label]).mean()
        # Noise alone caps both at 0.9; two in a hundred records may fall on the other side of it.
        assert (predicted_NL[:, label] == other_truth_NL[:, label]).mean() == pytest.approx(theirs, abs=0.02)
        assert theirs > 0.85


def test_without_words_only_frequency_is_left() -> None:
    texts, truth_NL = corpus(3, 400)
    truth_NL[:, 2] = 0
    model = LinearText.fit(texts, sparse.csr_matrix(truth_NL), epochs=1)
    scores_L = model.scores_NL(["unknown"])[0]
    assert scores_L.tolist() == model.biases_L.tolist()
    assert scores_L.argmin() == 2
