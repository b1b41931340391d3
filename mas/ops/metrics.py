"""The metrics, as Prometheus reads them: each family made of what was seen at one moment.

Nothing is kept between two answers but who has a series: counts are those of the parts that count, so a
message costs nothing here, and two systems in one process cannot mix.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from mas.agent import Fared
from mas.audit import Trail
from mas.decision import Decision
from mas.gateway import Histogram
from mas.ops.labels import Labels
from mas.ops.readiness import troubles
from mas.ops.stored import STATES
from mas.ops.vitals import Gate, Stored, Vitals
from mas.supervision import State

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
MOST_CHILDREN: Final = 2_000
"""Children with series of their own; beyond, they are counted by state only."""


class Metrics:
    """Turns what was seen into text.

    :param labels: who may have a series
    """

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        # In no registry: the one that all code of a process shares is not ours to fill.
        self._process = ProcessCollector(registry=None)

    def write(self, vitals: Vitals, refused: int) -> bytes:
        """Return the text of one answer.

        :param refused: requests for these pages that were turned away
        """
        registry = CollectorRegistry()
        registry.register(_Seen(self._families(vitals, refused)))
        return generate_latest(registry)

    def _families(self, vitals: Vitals, refused: int) -> Iterator[Metric]:
        yield _count("ops_refused", "Requests for these pages that were turned away.", refused)
        yield _gauge("build_info", "The version that runs.", 1, version=vitals.version)
        yield _gauge("ready", "Whether /readyz says so.", not troubles(vitals))
        yield _gauge("redis_up", "Whether Redis answers.", vitals.stored is not None)
        yield _count("redis_connects", "Connections made to Redis.", vitals.connects)
        yield from _children(vitals)
        if vitals.lag is not None and vitals.longest_lag is not None:
            yield _gauge("event_loop_lag_seconds", "By how much the loop was late last.", vitals.lag)
            yield _gauge("event_loop_lag_longest_seconds", "The most in a minute.", vitals.longest_lag)
        if vitals.gate is not None:
            yield from _gate(vitals.gate)
        if vitals.fared is not None:
            yield _fared(vitals.fared)
        if vitals.trusted is not None:
            yield _gauge("policy_valid", "Whether there is a policy that is trusted.", vitals.trusted)
        if vitals.stored is not None:
            yield from self._stored(vitals.stored)
        yield from self._process.collect()

    def _stored(self, stored: Stored) -> Iterator[Metric]:
        yield _gauge("ingress_backlog", "Messages that wait for a gateway.", stored.ingress)
        yield _gauge("ingress_oldest_seconds", "How long the first of them has waited.", stored.oldest)
        backlog = GaugeMetricFamily(
            "mas_delivery_backlog",
            "Deliveries not settled yet: the longest backlogs, the rest as one.",
            labels=["agent"],
        )
        for agent, length in self._labels.largest((e.agent, e.backlog) for e in stored.agents).items():
            backlog.add_metric([agent], length)
        yield backlog
        yield _gauge("agents_registered", "Agents.", len(stored.agents) + stored.left_out)
        yield _gauge("instances_registered", "Instances.", sum(each.instances for each in stored.agents))
        yield _gauge("instances_alive", "Instances alive.", sum(each.alive for each in stored.agents))
        yield _gauge("gateways_alive", "Gateways alive, on all hosts.", stored.gateways)
        circuits = Counter(each.circuit for each in stored.agents)
        yield _gauges("circuits", "Targets by the state of their circuit.", "state", circuits, STATES)
        yield _gauge("dead_letters", "Messages given up or refused, and kept.", stored.dead_letters)
        yield _gauges("audit_unsealed", "Records that wait for their seal.", "trail", stored.unsealed, Trail)
        yield _count("audit_seals", "Seals, over all sealers.", stored.seals)
        if stored.sealed is not None:
            yield _gauge("audit_seal_age_seconds", "Since the last seal.", stored.sealed)


class _Seen(Collector):
    """Hands over what was made: a registry asks one of these."""

    def __init__(self, families: Iterator[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return self._families


def _children(vitals: Vitals) -> Iterator[Metric]:
    nodes = [node for node in vitals.tree.walk() if node.path]
    states = Counter(str(node.state) for node in nodes)
    yield _gauges("children", "Children of the supervision tree by state.", "state", states, State)
    up = GaugeMetricFamily("mas_child_up", "Whether a child runs.", labels=["child"])
    failures = CounterMetricFamily("mas_child_failures", "Failures of a child.", labels=["child"])
    restarts = CounterMetricFamily("mas_child_restarts", "Times a child came back.", labels=["child"])
    for node in nodes[:MOST_CHILDREN]:
        up.add_metric([node.path], node.state is State.RUNNING)
        failures.add_metric([node.path], vitals.failures.get(node.path, 0))
        restarts.add_metric([node.path], vitals.restarts.get(node.path, 0))
    yield from (up, failures, restarts)
    yield _count("children_given_up", "Children whose restarts were spent.", vitals.given_up)
    yield _count("escalations", "Failures that a supervisor passed on.", vitals.escalations)
    yield _count("overruns", "Children that outstayed their cancellation.", vitals.overruns)


def _gate(gate: Gate) -> Iterator[Metric]:
    decisions = CounterMetricFamily("mas_decisions", "What the gateway here decided.", labels=["decision"])
    for decision in Decision:
        decisions.add_metric([decision], gate.decisions.get(decision, 0))
    yield decisions
    yield _histogram("gateway_batch_messages", "Messages decided in one commit.", gate.pace.sizes)
    yield _histogram(
        "gateway_batch_seconds", "From a batch's arrival to its commit's answer.", gate.pace.seconds
    )


def _fared(fared: Fared) -> Metric:
    family = CounterMetricFamily("mas_handlers", "How handlers fared.", labels=["outcome"])
    for outcome in ("handled", "failed", "retried", "given_up", "trimmed"):
        family.add_metric([outcome], getattr(fared, outcome))
    return family


def _gauge(name: str, text: str, value: float, **labels: str) -> Metric:
    family = GaugeMetricFamily(f"mas_{name}", text, labels=list(labels))
    family.add_metric(list(labels.values()), value)
    return family


def _gauges(name: str, text: str, label: str, values: Mapping[str, int], known: Iterable[str]) -> Metric:
    family = GaugeMetricFamily(f"mas_{name}", text, labels=[label])
    for key in known:
        family.add_metric([key], values.get(key, 0))
    return family


def _count(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"mas_{name}", text, value=value)


def _histogram(name: str, text: str, seen: Histogram) -> Metric:
    bounds = [*(f"{bound:g}" for bound in seen.bounds), "+Inf"]
    return HistogramMetricFamily(
        f"mas_{name}", text, list(zip(bounds, accumulate(seen.counts), strict=True)), seen.sum
    )
