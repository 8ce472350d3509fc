"""What the package says of its distributions is true: checked on samples of a fixed seed, within five deviations."""

from collections import Counter
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pytest

from pergamum.synthetic import SCHEMA, Recipe, documents
from pergamum.synthetic.metadata import CATEGORIES, OPTIONAL, metadata
from pergamum.synthetic.words import PER_TOPIC, SHARED, Vocabulary, word
from pergamum.synthetic.zipf import Zipf

Shares = npt.NDArray[np.float64]


def agrees(counts: list[int], shares: Shares) -> bool:
    """Whether counts are within five deviations of what independent draws with these shares give."""
    total = sum(counts)
    deviation = np.sqrt(shares * (1 - shares) / total) + 1 / total
    return bool(np.all(np.abs(np.array(counts) / total - shares) <= 5 * deviation))


def zipf(ranks: int, exponent: float = 1.0) -> Shares:
    weights: Shares = np.array([1 / (rank + 1) ** exponent for rank in range(ranks)])
    return np.asarray(weights / weights.sum())


def vectors(recipe: Recipe, chunks: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """The vectors of some chunks, and their topics."""
    pairs = [
        (chunk["embedding"], document["metadata"]["topic"])
        for document in documents(recipe, chunks)
        for chunk in document["chunks"] or ()
    ]
    return np.array([vector for vector, _ in pairs]), np.array([topic for _, topic in pairs])


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_the_sizes_of_clusters_follow_zipf(exponent: float) -> None:
    recipe = Recipe(dimension=1, clusters=7, skew=exponent, chunks_per_document=1, vectors=False)

    counts = Counter(document["metadata"]["topic"] for document in documents(recipe, 10_000))

    assert agrees([counts[topic] for topic in range(7)], zipf(7, exponent))


def test_zipf_draws_every_rank_and_no_other() -> None:
    drawn = Zipf(3).draw(np.random.default_rng(0), (100, 5))

    assert drawn.shape == (100, 5)
    assert set(drawn.ravel().tolist()) == {0, 1, 2}


@pytest.mark.parametrize("dimension", [1, 3, 256])
def test_vectors_have_the_dimension_and_length_1(dimension: int) -> None:
    found, _ = vectors(Recipe(dimension=dimension), 2_000)

    assert found.shape == (2_000, dimension)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)


@pytest.mark.parametrize("spread", [0.0, 0.3, 2.0])
def test_vectors_lie_around_the_centres_at_the_spread(spread: float) -> None:
    recipe = Recipe(dimension=64, clusters=2, spread=spread, skew=0, chunks_per_document=1, normalised=False)
    found, topics = vectors(recipe, 4_000)

    for topic in range(2):
        own = found[topics == topic]
        centre = own.mean(axis=0)
        assert np.linalg.norm(centre) == pytest.approx(1.0, abs=0.05 + spread / 20)
        assert np.mean(np.sum((own - centre) ** 2, axis=1)) == pytest.approx(spread**2, rel=0.05, abs=1e-9)


def test_half_of_the_variance_is_shared_by_a_document() -> None:
    recipe = Recipe(dimension=32, clusters=1, spread=1.0, chunks_per_document=20, normalised=False)
    made = [
        np.array([chunk["embedding"] for chunk in document["chunks"] or ()]) for document in documents(recipe, 20_000)
    ]

    within = [np.sum((own - own.mean(axis=0)) ** 2) / (len(own) - 1) for own in made if len(own) > 1]

    assert np.mean(within) == pytest.approx(0.5, rel=0.05)


def test_each_cluster_is_stretched_along_axes_of_its_own() -> None:
    recipe = Recipe(dimension=16, clusters=2, spread=1.0, skew=0, chunks_per_document=1, normalised=False)
    found, topics = vectors(recipe, 20_000)
    expected = zipf(16)

    order = []
    for topic in range(2):
        variances = found[topics == topic].var(axis=0)
        np.testing.assert_allclose(np.sort(variances)[::-1], expected, rtol=0.15)
        order.append(int(np.argmax(variances)))

    assert order[0] != order[1]


def test_half_of_the_words_are_those_of_the_topic_and_lengths_are_even() -> None:
    texts = Vocabulary(3).texts(np.random.default_rng(1), np.full(2_000, 2))
    own = {word(SHARED + 2 * PER_TOPIC + rank) for rank in range(PER_TOPIC)}

    words = [text.lower().rstrip(".").split() for text in texts]

    lengths = [len(text) for text in words]
    assert (min(lengths), max(lengths)) == (20, 60)
    assert agrees([lengths.count(length) for length in range(20, 61)], np.full(41, 1 / 41))
    flat = [one for text in words for one in text]
    share = sum(one in own for one in flat) / len(flat)
    assert share == pytest.approx(0.5, abs=0.01)


def test_a_million_words_differ() -> None:
    assert len({word(number) for number in range(0, 1_000_000, 7)}) == len(range(0, 1_000_000, 7))


ROWS = metadata(np.random.default_rng(5), np.arange(20_000) % 10, 0.25)


@pytest.mark.parametrize("name", OPTIONAL)
def test_the_share_that_is_missing_is_as_told(name: str) -> None:
    missing = sum(name not in row for row in ROWS)

    assert agrees([missing, len(ROWS) - missing], np.array([0.25, 0.75]))


def test_nothing_or_everything_may_be_missing() -> None:
    chance, topics = np.random.default_rng(5), np.zeros(50, dtype=np.int64)

    assert all(set(OPTIONAL) <= set(row) for row in metadata(chance, topics, 0.0))
    assert all(set(OPTIONAL).isdisjoint(row) for row in metadata(chance, topics, 1.0))


def test_categories_follow_zipf() -> None:
    counts = Counter(row["category"] for row in ROWS)

    assert agrees([counts[name] for name in CATEGORIES], zipf(len(CATEGORIES)))


def test_prices_are_log_normal() -> None:
    logarithms = np.log([row["price"] for row in ROWS if "price" in row])

    assert np.mean(logarithms) == pytest.approx(np.log(25), abs=0.05)
    assert np.std(logarithms) == pytest.approx(1.0, abs=0.03)


def test_years_are_recent_and_times_fall_into_them() -> None:
    years = [row["year"] for row in ROWS]

    assert (min(years), max(years)) == (1990, 2026)
    assert agrees([years.count(2026), len(years) - years.count(2026)], np.array([1 - np.exp(-1 / 6), np.exp(-1 / 6)]))
    dated = [row for row in ROWS if "published" in row]
    assert all(datetime.fromisoformat(row["published"]).year == row["year"] for row in dated)


def test_the_other_fields_are_as_described() -> None:
    ratings = [row["rating"] for row in ROWS if "rating" in row]
    in_stock = sum(row["in_stock"] for row in ROWS)

    assert np.mean(ratings) == pytest.approx(1 + 4 * 5 / 7, abs=0.03)
    assert 1 <= min(ratings) <= max(ratings) <= 5
    assert agrees([in_stock, len(ROWS) - in_stock], np.array([0.85, 0.15]))
    assert {len(row["tags"]) for row in ROWS} == set(range(6))
    assert all(len(set(row["tags"])) == len(row["tags"]) for row in ROWS)
    assert all(abs(row["location"]["lat"]) <= 90 for row in ROWS if "location" in row)
    assert [row["topic"] for row in ROWS[:12]] == [*range(10), 0, 1]


def test_the_schema_names_every_field_and_no_other() -> None:
    assert set().union(*ROWS) == set(SCHEMA["documents"])
