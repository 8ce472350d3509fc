"""What Prometheus may ask. Below the api these figures are plain callables: nothing there knows of Prometheus."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pergamum.api.figures import SECONDS, Durations, FiguresSent
from pergamum.services.system import SystemService


class Metrics:
    """One set of figures. Threads: any."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter("pergamum_requests", "Requests answered.", labels, registry=self._registry)
        self._latency = Durations()
        self._registry.register(self._latency)
        self._searches = Counter("pergamum_searches", "Searches by plan.", ("plan",), registry=self._registry)
        self._flushes = Histogram(
            "pergamum_flush_seconds",
            "Time to make a group of writes durable.",
            buckets=SECONDS,
            registry=self._registry,
        )
        self._seen: dict[tuple[str, str, int], Callable[[], None]] = {}
        self._plans: dict[str, Callable[[], None]] = {}

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. `route` is the template of its path, so that there are few of them."""
        key = (method, route, status)
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = self._requests.labels(method, route, str(status)).inc
        seen()
        self._latency.observe(method, route, seconds)

    def search(self, plan: str) -> None:
        """Count a search."""
        count = self._plans.get(plan)
        if count is None:
            count = self._plans[plan] = self._searches.labels(plan).inc
        count()

    def flush(self, seconds: float) -> None:
        """Note how long a flush took."""
        self._flushes.observe(seconds)

    def add(self, figures: FiguresSent) -> None:
        """Count what another process has counted."""
        for method, route, status, requests in figures["requests"]:
            self._requests.labels(method, route, str(status)).inc(requests)
        for method, route, counts, total in figures["seconds"]:
            self._latency.add(method, route, counts, total)
        for plan, searches in figures["searches"]:
            self._searches.labels(plan).inc(searches)

    def watch_workers(self, count: Callable[[], int]) -> None:
        """Let be asked how many processes answer searches beside this one."""
        gauge = Gauge("pergamum_workers", "Processes that answer searches beside the writer.", registry=self._registry)
        gauge.set_function(count)

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
