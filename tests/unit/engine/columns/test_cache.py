"""Results are kept while there is room for them."""

from pergamum.domain.fields import Column, FieldType, Level, ScalarType
from pergamum.domain.filters import And, CheckedFilter, Not, Op, Or, Test
from pergamum.engine.columns.cache import ResultCache

YEAR = Column(Level.DOCUMENT, "year", FieldType(ScalarType.INTEGER), metadata=True)


def test_what_was_used_last_stays_when_room_is_made() -> None:
    cache = ResultCache(10_000)
    for key in range(3):
        cache.put(key, str(key), 2_500)
    cache.get(0)

    cache.put(3, "3", 2_500)

    assert [cache.get(key) for key in range(4)] == ["0", None, None, "3"]


def test_replacing_a_value_takes_no_more_room() -> None:
    cache = ResultCache(10_000)
    cache.put("other", "other", 2_000)

    for turn in range(100):
        cache.put("same", turn, 4_000)

    assert (cache.get("other"), cache.get("same")) == ("other", 99)


def test_a_value_that_would_push_everything_out_is_not_kept() -> None:
    cache = ResultCache(10_000)
    cache.put("small", 1, 1)

    cache.put("large", 2, 9_000)

    assert (cache.get("small"), cache.get("large")) == (1, None)


def test_equal_filters_share_a_number_and_others_do_not() -> None:
    cache = ResultCache(100_000)
    trees: list[CheckedFilter] = [
        Test(YEAR, Op.EQ, 1),
        Test(YEAR, Op.NE, 1),
        Test(YEAR, Op.IN, (1, 2)),
        Not(Test(YEAR, Op.EQ, 1)),
        And((Test(YEAR, Op.EQ, 1),)),
        Or((Test(YEAR, Op.EQ, 1),)),
    ]

    numbers = [cache.number(tree) for tree in trees]

    assert len(set(numbers)) == len(trees)
    assert [cache.number(tree) for tree in trees] == numbers
    assert cache.number(And((Test(YEAR, Op.EQ, 1),))) == numbers[4]
