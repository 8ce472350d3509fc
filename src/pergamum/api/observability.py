"""What Prometheus may ask. Below the api these figures are plain callables: nothing there knows of Prometheus."""

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pergamum.services.system import SystemService

SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """One set of figures. Threads: any."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter("pergamum_requests", "Requests answered.", labels, registry=self._registry)
        self._latency = Histogram(
            "pergamum_request_seconds", "Time to answer.", labels[:2], buckets=SECONDS, registry=self._registry
        )
        self._searches = Counter("pergamum_searches", "Searches by plan.", ("plan",), registry=self._registry)
        self._flushes = Histogram(
            "pergamum_flush_seconds",
            "Time to make a group of writes durable.",
            buckets=SECONDS,
            registry=self._registry,
        )
        self._seen: dict[tuple[str, str, int], tuple[Callable[[], None], Callable[[float], None]]] = {}
        self._plans: dict[str, Callable[[], None]] = {}

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. `route` is the template of its path, so that there are few of them."""
        key = (method, route, status)
        seen = self._seen.get(key)
        if seen is None:
            counter, latency = self._requests.labels(method, route, str(status)), self._latency.labels(method, route)
            seen = self._seen[key] = (counter.inc, latency.observe)
        seen[0]()
        seen[1](seconds)

    def search(self, plan: str) -> None:
        """Count a search."""
        count = self._plans.get(plan)
        if count is None:
            count = self._plans[plan] = self._searches.labels(plan).inc
        count()

    def flush(self, seconds: float) -> None:
        """Note how long a flush took."""
        self._flushes.observe(seconds)

    def watch(self, system: SystemService) -> None:
        """Let what the server holds be asked."""
        self._registry.register(_Holdings(system))

    def page(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        return generate_latest(self._registry)


class _Holdings(Collector):
    """What the server holds at the moment of asking."""

    def __init__(self, system: SystemService) -> None:
        self._system = system

    def collect(self) -> Iterator[Metric]:
        health = self._system.health()
        yield GaugeMetricFamily("pergamum_libraries", "Libraries there are.", health.libraries)
        yield GaugeMetricFamily("pergamum_open_libraries", "Libraries open now.", health.open)
        yield GaugeMetricFamily("pergamum_read_only_libraries", "Libraries that take no writes.", health.read_only)
        yield GaugeMetricFamily("pergamum_damaged_chunks", "Chunks left out as damaged.", health.damaged_chunks)
        chunks = GaugeMetricFamily("pergamum_chunks", "Chunks in open libraries.", labels=["library"])
        for name, count in self._system.chunks().items():
            chunks.add_metric([name], count)
        yield chunks
        yield from self._recalls()

    def _recalls(self) -> Iterator[Metric]:
        """Yield what was found by comparing searches with exact ones; `wanted` is the recall they asked for."""
        labels = ["library", "wanted"]
        recall = GaugeMetricFamily("pergamum_search_recall", "Recall of real searches, compared.", labels=labels)
        low = GaugeMetricFamily("pergamum_search_recall_low", "Low end of its 95 % interval.", labels=labels)
        high = GaugeMetricFamily("pergamum_search_recall_high", "High end of its 95 % interval.", labels=labels)
        compared = GaugeMetricFamily("pergamum_search_recall_queries", "Searches compared.", labels=labels)
        for name, figures in self._system.recalls().items():
            for figure in figures:
                values = [name, f"{figure.wanted:g}"]
                recall.add_metric(values, figure.recall)
                low.add_metric(values, figure.low)
                high.add_metric(values, figure.high)
                compared.add_metric(values, figure.queries)
        yield from (recall, low, high, compared)

    def describe(self) -> list[Metric]:
        """Say nothing yet: asking for the figures would read the catalogue while it is being built."""
        return []
