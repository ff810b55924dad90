"""What is read from the metrics of a run."""

from prometheus_client import CollectorRegistry, Counter, start_http_server

from benchmarks.data_wait import added, phases


def test_steps_and_seconds_of_each_phase_are_read_from_an_endpoint() -> None:
    registry = CollectorRegistry()
    Counter("lmmtc_train_steps_total", "Steps.", registry=registry).inc(7)
    spent = Counter("lmmtc_phase_seconds_total", "Seconds.", ["phase"], registry=registry)
    spent.labels("text").inc(1.5)
    spent.labels("data_wait").inc(0.25)
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    try:
        assert phases(server.server_port) == (7, {"text": 1.5, "data_wait": 0.25})
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_ranks_are_added_up() -> None:
    assert added([{"text": 1.0, "scan": 2.0}, {"text": 3.0, "scan": 4.0}]) == {"text": 4.0, "scan": 6.0}
