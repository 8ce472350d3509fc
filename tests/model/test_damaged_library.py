"""A library that cannot be opened is named as such, and hides no other."""

import shutil
from pathlib import Path

from tests.support.rest import Rest


def test_a_library_without_its_folder_does_not_end_the_list(tmp_path: Path) -> None:
    with Rest(tmp_path / "data") as rest:
        ids = [rest.send("POST", "libraries", json={"name": name, "dimension": 2}).json()["id"] for name in "abc"]
    shutil.rmtree(tmp_path / "data" / "libraries" / ids[1])

    with Rest(tmp_path / "data") as rest:
        pages = [rest.get("libraries", limit=1)]
        while pages[-1]["next_cursor"] is not None:
            pages.append(rest.get("libraries", limit=1, cursor=pages[-1]["next_cursor"]))

    assert [[item["name"] for item in page["items"]] for page in pages] == [["a"], [], ["c"]]
    assert [page["unavailable"] for page in pages] == [[], [ids[1]], []]
