"""Figures that were counted in several processes read as if they had been counted in one."""

import json
import random

from pergamum.api.figures import Figures
from pergamum.api.observability import Metrics


def test_figures_that_were_sent_add_up() -> None:
    numbers, alone, gathering = random.Random(7), Metrics(), Metrics()
    workers = [Figures(), Figures()]
    for turn in range(500):
        method, route, status = numbers.choice(["GET", "POST"]), numbers.choice(["/a", "/b/{c}"]), 200 + turn % 3
        seconds = numbers.choice([0.0005, 0.001, 0.0011, 10.0, 11.0, numbers.expovariate(50)])
        places: list[Figures | Metrics] = [*workers, gathering]
        for counting in (alone, numbers.choice(places)):
            counting.request(method, route, status, seconds)
            counting.search(route)
        if turn % 90 == 0:
            gathering.add(json.loads(json.dumps(numbers.choice(workers).taken())))
    for worker in workers:
        gathering.add(json.loads(json.dumps(worker.taken())))

    assert _figures(gathering) == _figures(alone)
    assert workers[0].taken() == {"requests": [], "seconds": [], "searches": []}


def _figures(metrics: Metrics) -> dict[str, float]:
    """Figures by name and labels, but for the times at which they began."""
    lines = (line.rpartition(" ") for line in metrics.page().decode().splitlines() if not line.startswith("#"))
    return {name: round(float(value), 6) for name, _, value in lines if "_created" not in name}
