from hypothesis import given
from hypothesis import strategies as st

from pergamum.engine.grouping import first_places, groups_of


@given(owners=st.lists(st.sampled_from("abcde"), max_size=30), most=st.integers(1, 4))
def test_each_owner_has_its_first_places_and_owners_come_by_their_first(owners: list[str], most: int) -> None:
    groups = groups_of(owners, most)

    assert set(groups) == set(owners)
    assert all(
        places == [at for at, owner in enumerate(owners) if owner == name][:most] for name, places in groups.items()
    )
    assert first_places(groups) == sorted(owners.index(name) for name in groups)
