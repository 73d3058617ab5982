"""What the proxy can report to Prometheus."""

from prometheus_client import parser

from proxy import gauges, limits, log, metrics, store, trail, usage


def labels() -> dict[str, set[str]]:
    """Every metric and its labels, from a process in which everything has happened."""
    window = limits.Window(0.5, 1.0, 0.0)
    state = gauges.State(
        ready=True,
        in_flight=0,
        held=0,
        slots=0,
        windows={"5h": window},
        verdict=limits.Verdict("allowed"),
        credential="file",
        expires_at=1.0,
        refused_at=1.0,
        log_lines_dropped=1,
        remembered=store.Store(0).figures(),
    )
    spent = usage.Spent(input=1, web_searches=1)
    record = log.Completion(
        request_id="r",
        code="overloaded",
        warnings=("seed_ignored",),
        first_event_ms=1.0,
        own_ms=1.0,
        joined=True,
        unclaimed=True,
    )
    way = trail.Trail()
    way.call()
    way.step("retry")
    measured = metrics.Metrics(lambda: state)
    measured.completed(record, way, trail.Bill(spent, 1.0, spent, 1.0, 1))
    _, exposed = measured.exposition()
    return {
        sample.name.removesuffix("_bucket"): sample.labels.keys() - {"le"}
        for family in parser.text_string_to_metric_families(exposed.decode())
        for sample in family.samples
        if not sample.name.endswith(("_sum", "_count"))
    }
