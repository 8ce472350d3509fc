"""Whatever was acknowledged is seen by every search that begins later, whichever process answers it."""

import random
import threading
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np
import pytest

from tests.workers.conftest import Crowd, until

Row = dict[str, Any]


class Model:
    """What a library holds, and the writes that lead there; each goes to any process."""

    def __init__(self, crowd: Crowd, library: str, seed: int) -> None:
        self.random, self.rows, self.position = random.Random(seed), dict[str, Row](), 0
        self._crowd, self._library, self._number = crowd, library, 0

    def write(self) -> str:
        """Write something; return the id of the chunk that it was about."""
        known = sorted(self.rows)
        act = self.random.choice(["add", "add", "add", "move", "relabel", "delete", "delete document"])
        if not known or act == "add":
            return self._put(f"c{self._next()}", f"d{self.random.randrange(20)}")
        id = self.random.choice(known)
        match act:
            case "move":
                return self._put(id, self.rows[id]["document"])
            case "relabel":
                label = self._next()
                self._send("PATCH", f"chunks/{id}", {"metadata": {"label": label}})
                self.rows[id]["label"] = label
            case "delete":
                self._send("DELETE", f"chunks/{id}")
                del self.rows[id]
            case _:
                document = self.rows[id]["document"]
                self._send("DELETE", f"documents/{document}")
                self.rows = {id: row for id, row in self.rows.items() if row["document"] != document}
        return id

    def _put(self, id: str, document: str) -> str:
        vector = [self.random.gauss(0, 1) for _ in range(4)]
        label = self._next()
        if document not in {row["document"] for row in self.rows.values()}:
            self._send("PUT", f"documents/{document}", {"chunks": []})
        chunk = {"id": id, "document_id": document, "text": f"text {label}", "embedding": vector}
        self._send("POST", "chunks:batch", {"chunks": [{**chunk, "metadata": {"label": label}}]})
        self.rows[id] = {"document": document, "vector": vector, "label": label, "text": f"text {label}"}
        return id

    def _send(self, method: str, what: str, body: Row | None = None) -> None:
        client = self.random.choice(self._crowd.clients)
        answer = client.request(method, f"{self._library}/{what}", json=body)
        assert answer.is_success, answer.text
        self.position = int(answer.headers["pergamum-position"])

    def _next(self) -> int:
        self._number += 1
        return self._number

    def nearest(self, vector: Sequence[float], k: int, ids: Sequence[str]) -> list[str]:
        def distance(id: str) -> float:
            difference = np.array(self.rows[id]["vector"], np.float32) - np.array(vector, np.float32)
            return float(np.sum(difference.astype(np.float64) ** 2))

        return sorted(ids, key=distance)[:k]


@pytest.mark.parametrize("filtered", [False, True])
def test_a_search_after_a_write_sees_it(crowd: Crowd, filtered: bool) -> None:
    library = crowd.new_library(metadata_schema={"mode": "open", "chunks": {"label": {"type": "integer"}}})
    filter = {"field": "label", "op": "gte", "value": 0}
    model = Model(crowd, library, seed=filtered)
    model.write()
    crowd.opened_everywhere(library, **({"filter": filter} if filtered else {}))

    for _ in range(120):
        written = model.write()
        vector = model.rows.get(written, {}).get("vector") or [model.random.gauss(0, 1) for _ in range(4)]
        least = model.random.randrange(len(model.rows) + 1)
        wanted = sorted(model.rows) if not filtered else [id for id, row in model.rows.items() if row["label"] >= least]
        ask: Row = {"vector": vector, "k": 5, "recall": "exact"}
        if filtered:
            ask["filter"] = {**filter, "value": least}
        for client in crowd.clients:
            response = client.post(f"{library}/search", json=ask)
            answer = response.json()

            assert response.status_code == 200, answer
            assert [hit["chunk_id"] for hit in answer["hits"]] == model.nearest(vector, 5, wanted)
            assert answer["position"] == model.position
            for hit in answer["hits"]:
                row = model.rows[hit["chunk_id"]]
                assert (hit["metadata"], hit["text"]) == ({"label": row["label"]}, row["text"])


def test_workers_answer_searches_themselves(crowd: Crowd) -> None:
    library = crowd.new_library()
    crowd.opened_everywhere(library)

    before = len(crowd.log("request"))
    for number in range(20):
        crowd.clients[0].put(f"{library}/documents/d{number}", json={"chunks": []})
        for client in crowd.clients:
            client.post(f"{library}/search", json={"vector": [0.0] * 4})
    until(lambda: len(crowd.log("request")) >= before + 80)
    answered = [line.get("process") for line in crowd.log("request")[before:] if line["path"].endswith("/search")]

    assert {process: answered.count(process) for process in answered} == {None: 20, "worker-1": 20, "worker-2": 20}


def test_searches_are_right_while_several_write(crowd: Crowd) -> None:
    """Each writer looks for its own chunk right after it was acknowledged, and again after it was deleted."""
    library = crowd.new_library()
    crowd.clients[0].put(f"{library}/documents/d", json={"chunks": []})
    crowd.opened_everywhere(library)
    faults: list[str] = []

    def work(worker: int) -> None:
        numbers = random.Random(worker)
        for turn in range(40):
            id, vector = f"{worker}-{turn}", [numbers.gauss(0, 1) for _ in range(4)]
            chunk = {"id": id, "document_id": "d", "text": id, "embedding": vector}
            with httpx.Client(base_url=crowd.url, timeout=60, verify=False) as client:
                client.post(f"{library}/chunks", json=chunk).raise_for_status()
            with httpx.Client(base_url=crowd.url, timeout=60, verify=False) as client:
                if _nearest(client, library, vector) != id:
                    faults.append(f"{id} is not found")
                if turn % 3 == 0:
                    client.delete(f"{library}/chunks/{id}").raise_for_status()
            with httpx.Client(base_url=crowd.url, timeout=60, verify=False) as client:
                if turn % 3 == 0 and _nearest(client, library, vector) == id:
                    faults.append(f"{id} was deleted")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []


def _nearest(client: httpx.Client, library: str, vector: Sequence[float]) -> str:
    """The nearest chunk, empty where there is none."""
    answer = client.post(f"{library}/search", json={"vector": vector, "k": 1})
    assert answer.status_code == 200, answer.text
    return next((str(hit["chunk_id"]) for hit in answer.json()["hits"]), "")


def test_libraries_that_are_renamed_deleted_and_made_again_are_so_for_every_process(crowd: Crowd) -> None:
    def ask(name: str) -> list[object]:
        answers = [client.post(f"/v1/libraries/{name}/search", json={"vector": [0.0] * 4}) for client in crowd.clients]
        return [[hit["text"] for hit in a.json()["hits"]] if a.status_code == 200 else a.status_code for a in answers]

    def make(name: str, text: str) -> None:
        crowd.new_library(name=name)
        chunks = [{"text": text, "embedding": [0.0] * 4}]
        crowd.clients[0].put(f"/v1/libraries/{name}/documents/d", json={"chunks": chunks}).raise_for_status()
        crowd.opened_everywhere(f"/v1/libraries/{name}")

    everywhere = len(crowd.clients)
    for turn in range(3):
        make("one", f"first {turn}")
        crowd.clients[turn].patch("/v1/libraries/one", json={"name": "two"}).raise_for_status()
        assert (ask("one"), ask("two")) == ([404] * everywhere, [[f"first {turn}"]] * everywhere)
        make("one", f"second {turn}")
        assert ask("two") == [[f"first {turn}"]] * everywhere
        crowd.clients[turn].delete("/v1/libraries/two").raise_for_status()
        assert (ask("one"), ask("two")) == ([[f"second {turn}"]] * everywhere, [404] * everywhere)
        crowd.clients[turn].delete("/v1/libraries/one").raise_for_status()
        assert ask("one") == [404] * everywhere


def test_a_changed_schema_holds_for_the_next_filter_everywhere(crowd: Crowd) -> None:
    library = crowd.new_library()
    chunks = [{"id": "a", "text": "a", "embedding": [0.0] * 4, "metadata": {"year": 7}}]
    crowd.clients[0].put(f"{library}/documents/d", json={"chunks": chunks}).raise_for_status()
    asks = {name: {"field": name, "op": "eq", "value": 7} for name in ("year", "anno")}
    crowd.opened_everywhere(library, filter=asks["year"])

    for old, new in (("year", "anno"), ("anno", "year")):
        renamed = {"chunks": {"rename": {old: new}}}
        answer = crowd.clients[1].patch(f"{library}/schema", json=renamed)
        assert answer.is_success, answer.text
        for client in crowd.clients:
            found = client.post(f"{library}/search", json={"vector": [0.0] * 4, "filter": asks[new]}).json()
            assert [hit["metadata"] for hit in found["hits"]] == [{new: 7}]
            refused = client.post(f"{library}/search", json={"vector": [0.0] * 4, "filter": asks[old]})
            assert refused.json()["type"] == "/problems/unknown-field"


def test_many_vectors_written_at_once_are_seen_at_once(crowd: Crowd) -> None:
    """More than a search catches up with: the writer answers, and the workers do again a little later."""
    library, numbers = crowd.new_library(), np.random.default_rng(5)
    crowd.clients[0].put(f"{library}/documents/d", json={"chunks": []})
    crowd.opened_everywhere(library)
    for turn in range(3):
        vectors = numbers.normal(size=(3_000, 4)).round(4).tolist()
        chunks = [{"id": f"{turn}-{n}", "text": "x", "embedding": vector} for n, vector in enumerate(vectors)]
        crowd.clients[turn].put(f"{library}/documents/d{turn}", json={"chunks": chunks}).raise_for_status()
        for client in crowd.clients:
            assert _nearest(client, library, vectors[-1]) == f"{turn}-2999"
        crowd.clients[turn].delete(f"{library}/documents/d{turn}").raise_for_status()
        for client in crowd.clients:
            assert client.post(f"{library}/search", json={"vector": vectors[-1]}).json()["hits"] == []
    crowd.opened_everywhere(library)
