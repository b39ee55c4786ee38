"""The script of the example's chart, run with a real sidecar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.helm.application import Application
from tests.helm.charts import Object, of_kind, one
from tests.running import RunningSidecar, free_port, life_left

PRIMES_BELOW_1000 = "168\n"


Start = Callable[[int], Application]


@pytest.fixture(scope="module")
def start(rendered: list[Object], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts the script with the cache at the chart's address, but another port."""
    [container] = one(rendered, "Deployment")["spec"]["template"]["spec"]["containers"]
    variables = {each["name"]: each["value"] for each in container["env"]}
    name = Path(container["command"][-1]).name
    [text] = [each["data"][name] for each in of_kind(rendered, "ConfigMap") if name in each["data"]]
    script = tmp_path_factory.mktemp("application") / name
    script.write_text(text)
    started: list[Application] = []

    def start(cache_port: int) -> Application:
        url = variables["CACHE_SIDECAR_URL"].replace(":7070", f":{cache_port}")
        started.append(Application(script, variables | {"CACHE_SIDECAR_URL": url}))
        return started[-1]

    yield start
    for application in started:
        application.stop()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSidecar]:
    sidecar = RunningSidecar(tmp_path_factory.mktemp("cache")).start()
    yield sidecar
    sidecar.stop()


@pytest.fixture(scope="module")
def application(start: Start, cache: RunningSidecar) -> Application:
    """The application, with the cache."""
    return start(cache.port)


def test_the_second_answer_comes_from_the_cache(
    application: Application, cache: RunningSidecar
) -> None:
    """The first answer is computed and stored under a readable key."""
    assert application.get("/primes/1000") == (200, PRIMES_BELOW_1000, "miss")
    assert application.get("/primes/1000") == (200, PRIMES_BELOW_1000, "hit")
    kept = cache.ask("GET", "/v1/cache/example/primes/1000")
    assert (kept.status, kept.body.decode()) == (200, PRIMES_BELOW_1000)
    assert 0 < life_left(kept.headers) <= 60


def test_what_the_cache_says_is_what_is_answered(
    application: Application, cache: RunningSidecar
) -> None:
    """An answer labelled as a hit comes from the cache and is not computed again."""
    cache.ask("PUT", "/v1/cache/example/primes/10", b"from the cache\n")
    assert application.get("/primes/10") == (200, "from the cache\n", "hit")


def test_the_application_works_without_its_cache(start: Start) -> None:
    """If no cache listens, every answer is computed."""
    alone = start(free_port())
    assert alone.get("/primes/1000") == (200, PRIMES_BELOW_1000, "bypass")


def test_every_path_gets_an_answer(application: Application) -> None:
    """This includes invalid paths and those that request too much."""
    wanted = {"/": 404, "/primes/x": 404, "/primes/-1": 404, "/primes/0": 200, "/primes/2": 200}
    wanted |= {"/primes/9999999999": 400, "/primes/" + "9" * 5000: 400}
    assert {path: application.get(path)[0] for path in wanted} == wanted


def test_sigterm_ends_the_application_with_0(start: Start) -> None:
    assert start(free_port()).stop() == 0
