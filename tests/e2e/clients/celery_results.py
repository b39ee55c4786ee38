"""Celery: results of tasks. The broker is another, since it needs lists; chords need them too."""

import os
from concurrent.futures import ThreadPoolExecutor

from celery import Celery
from celery.contrib.testing.worker import start_worker

app = Celery("shop", broker="memory://", backend=os.environ["REDIS_URL"])
app.conf.result_expires = 600


@app.task(name="add")
def add(a: int, b: int) -> int:
    return a + b


@app.task(name="fail")
def fail() -> None:
    raise ValueError("wrong")


with start_worker(app, perform_ping_check=False, pool="threads", concurrency=2):
    result = add.delay(2, 3)
    assert result.get(timeout=10) == 5
    assert result.successful()
    failed = fail.delay()
    try:
        failed.get(timeout=10)
    except ValueError as error:
        assert str(error) == "wrong"
    else:
        raise AssertionError
    assert failed.failed()
    results = [add.delay(n, n) for n in range(20)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda it: it.get(timeout=10), results)) == list(range(0, 40, 2))
    assert 500 < app.backend.client.ttl(app.backend.get_key_for_task(result.id)) <= 600
    result.forget()
    assert app.backend.client.get(app.backend.get_key_for_task(result.id)) is None
