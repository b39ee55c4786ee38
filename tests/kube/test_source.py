"""The ConfigMap source with a server that works, drops, compacts, refuses and freezes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kube.apiserver import ApiServer
from tests.kube.conftest import Watch, Watching, document, until
from tests.kube.threaded import NAME, NAMESPACE

INTERRUPTED = "The connection to the API server was interrupted."


def change(server: ApiServer, number: int) -> None:
    server.configmaps.put(NAMESPACE, NAME, document(number))


async def test_a_change_comes_as_an_event(server: ApiServer, watching: Watching) -> None:
    """One list and one watch, for any number of changes."""
    for number in range(2, 12):
        change(server, number)
        assert await watching.texts() == document(number)["data"]
    assert (server.count("list"), server.count("watch")) == (1, 1)


async def test_only_the_named_configmap_is_seen(server: ApiServer, watching: Watching) -> None:
    """The field selector excludes neighbours, and the same name in another namespace."""
    server.configmaps.put(NAMESPACE, "other", document(7))
    server.configmaps.put("elsewhere", NAME, document(8))
    change(server, 2)
    assert await watching.texts() == document(2)["data"]


async def test_a_configmap_that_is_not_there_is_waited_for(server: ApiServer, watch: Watch) -> None:
    watching = watch()
    assert await watching.upcoming() is None
    change(server, 1)
    assert await watching.texts() == document(1)["data"]


async def test_deleted_and_created_again(server: ApiServer, watching: Watching) -> None:
    """No document, then the new one, on the same watch."""
    server.configmaps.delete(NAMESPACE, NAME)
    assert await watching.upcoming() is None
    change(server, 2)
    assert await watching.texts() == document(2)["data"]
    assert server.count("watch") == 1


async def test_after_a_clean_end_it_goes_on_from_the_last_version(
    server: ApiServer, watching: Watching
) -> None:
    """Changes in between arrive, earlier ones are not repeated, and there is no list."""
    change(server, 2)
    assert await watching.texts() == document(2)["data"]
    server.watches.end()
    change(server, 3)
    assert await watching.texts() == document(3)["data"]
    assert (server.count("list"), watching.troubles) == (1, [])


async def test_a_bookmark_is_a_version_to_go_on_from(server: ApiServer, watch: Watch) -> None:
    """With a bookmark, a server that compacts old versions needs no new list."""
    server.faults.bookmark_seconds = 0.02
    change(server, 1)
    watching = watch()
    await watching.texts()
    server.configmaps.put(NAMESPACE, "other", document(1))
    contacts = watching.contacts
    await until(lambda: watching.contacts > contacts + 2)
    server.configmaps.oldest = server.configmaps.version
    server.watches.end()
    await until(lambda: server.count("watch") == 2)
    change(server, 2)
    assert await watching.texts() == document(2)["data"]
    assert server.count("list") == 1


async def test_after_a_drop_it_goes_on_from_the_last_version(
    server: ApiServer, watching: Watching
) -> None:
    """The payload breaks off; nothing is lost, and there is no list."""
    server.watches.drop()
    change(server, 2)
    assert await watching.texts() == document(2)["data"]
    assert server.count("list") == 1
    assert "was interrupted" in await watching.until_troubled()


async def test_a_server_that_was_away_is_taken_up_again(
    server: ApiServer, watching: Watching
) -> None:
    """Killed, refusing connections, and restarted on the same port."""
    await server.stop()
    await until(lambda: any("cannot be reached" in str(it) for it in watching.troubles))
    change(server, 2)
    await server.start()
    assert await watching.texts() == document(2)["data"]


@pytest.mark.parametrize("as_event", [True, False])
async def test_a_version_that_is_gone_is_listed_anew(
    server: ApiServer, watching: Watching, as_event: bool
) -> None:
    """As an ERROR event with 410 after a 200, and as HTTP 410."""
    server.faults.gone_as_event = as_event
    change(server, 2)
    await watching.texts()
    server.configmaps.compact()
    change(server, 3)
    server.configmaps.compact()
    server.watches.drop()
    while (seen := await watching.texts()) != document(3)["data"]:
        assert seen == document(2)["data"]
    assert server.count("list") == 2
    change(server, 4)
    assert await watching.texts() == document(4)["data"]


@pytest.mark.parametrize("as_event", [True, False])
@pytest.mark.parametrize("killed", [True, False])
async def test_a_version_that_is_gone_costs_no_wait_and_is_no_trouble(
    server: ApiServer, watching: Watching, killed: bool, as_event: bool
) -> None:
    """The wait after the end of the watch has spread the pods, so it is listed at once."""
    server.faults.gone_as_event = as_event
    if killed:
        server.watches.drop()
    else:
        server.watches.end()
    server.configmaps.compact()
    change(server, 2)
    assert await watching.texts() == document(2)["data"]
    assert len(watching.waits) == 1
    assert [str(it) for it in watching.troubles] == [INTERRUPTED] * killed


async def test_after_a_restart_no_pod_waits_again(server: ApiServer, watching: Watching) -> None:
    """Once the server answers, with 410; so one wait is the longest time without a watch."""
    await server.stop()
    await until(lambda: len(watching.waits) >= 2)
    server.requests.clear()
    await server.start()
    assert await watching.texts() == document(1)["data"]
    await until(lambda: server.watches)
    assert [verb for _, verb in server.requests] == ["watch", "list", "watch"]
    answered_at, _ = server.requests[0]
    assert max(watching.waited_at) < answered_at


async def test_a_server_that_refuses_the_version_of_its_own_list_is_a_trouble(
    server: ApiServer, watch: Watch
) -> None:
    """It is listed again after the back-off."""
    change(server, 1)
    server.faults.forgetful = True
    watching = watch()
    assert "no longer has this resource version" in await watching.until_troubled()
    assert watching.waits


async def test_silence_is_no_trouble_while_a_list_is_answered(
    server: ApiServer, watch: Watch
) -> None:
    """Without bookmarks, a watch of an object that does not change is silent for minutes."""
    server.faults.bookmark_seconds = float("inf")
    change(server, 1)
    watching = watch(silence_seconds=0.1)
    await until(lambda: server.count("list") >= 4)
    assert (watching.troubles, watching.waits) == ([], [])
    change(server, 2)
    while await watching.texts() != document(2)["data"]:
        pass


@pytest.mark.parametrize(
    "line",
    [
        b'{"type": "ERROR", "object": {"code": 500, "message": "unable to decode"}}\n',
        b'{"type": "MODIFIED", "object": {"metadata": 7}}\n',
        b"<html>\n",
    ],
)
async def test_a_watch_that_cannot_be_gone_on_with_is_listed_anew(
    server: ApiServer, watching: Watching, line: bytes
) -> None:
    """A watch from the same version would fail again; all changes are seen."""
    server.faults.watch_body = line
    server.watches.end()
    await until(lambda: server.count("list") > 1)
    change(server, 2)
    while await watching.texts() != document(2)["data"]:
        pass
    server.faults.watch_body = None
    change(server, 3)
    while await watching.texts() != document(3)["data"]:
        pass


async def test_a_frozen_server_is_noticed_by_its_silence(server: ApiServer, watch: Watch) -> None:
    """It is listed again once it answers, since it may have compacted events."""
    change(server, 1)
    watching = watch(silence_seconds=0.1)
    await watching.texts()
    server.faults.frozen = True
    assert "does not answer" in await watching.until_troubled()
    change(server, 2)
    server.thaw()
    while await watching.texts() != document(2)["data"]:
        pass


async def test_a_server_restored_from_a_backup_is_listed_anew(
    server: ApiServer, watch: Watch
) -> None:
    """It does not know our version yet and sends nothing; a silent watch is not continued."""
    change(server, 1)
    watching = watch(silence_seconds=0.1)
    await watching.texts()
    server.configmaps.restore(5)
    server.watches.drop()
    change(server, 2)
    while await watching.texts() != document(2)["data"]:
        pass


async def test_a_token_that_has_expired_is_read_again(
    server: ApiServer, watching: Watching, tmp_path: Path
) -> None:
    """The answer is 401 until the file has the new token."""
    server.faults.tokens = ["new"]
    server.watches.drop()
    await until(lambda: any("token (401)" in str(it) for it in watching.troubles))
    server.write_kubeconfig(tmp_path / "kube", {"token": "new"})
    change(server, 2)
    assert await watching.texts() == document(2)["data"]


async def test_a_server_that_has_moved_is_found(
    server: ApiServer, watching: Watching, tmp_path: Path
) -> None:
    """Address and certificates are read again after a break, since they may have changed."""
    await server.stop()
    moved = await ApiServer().start()
    for number in (1, 2):
        change(moved, number)
    moved.write_kubeconfig(tmp_path / "kube")
    assert await watching.texts() == document(2)["data"]
    await watching.close()
    await moved.stop()


async def test_a_server_behind_a_balancer_is_away_for_all(server: ApiServer, watch: Watch) -> None:
    """The answer is 503: the waits are as long as after a break."""
    server.faults.statuses = {"list": 503}
    watching = watch()
    await until(lambda: len(watching.waits) >= 3)
    assert max(watching.waits[:3]) > 4


async def test_a_missing_right_is_said_as_the_role_that_grants_it(
    server: ApiServer, watch: Watch
) -> None:
    """With the role, list and watch work by field selector."""
    server.faults.only_names = ["another"]
    watching = watch()
    sentence = await watching.until_troubled()
    assert 'apiGroups: [""], resources: [configmaps], resourceNames: [cache-config]' in sentence
    assert "verbs: [get, list, watch]" in sentence
    assert NAMESPACE in sentence
    assert "It answered: configmaps is forbidden" in sentence, "it names the user that lacks it"
    server.faults.only_names = [NAME]
    change(server, 1)
    while (found := await watching.upcoming()) is None:
        pass
    assert found.texts() == document(1)["data"]


async def test_a_mebibyte_is_read_immutable_or_not(server: ApiServer, watching: Watching) -> None:
    """In a list, and on a watch, where it is one line with JSON escapes."""
    text = '# "\n\t\u00e4' * ((1 << 20) // 10)
    body = {"data": {"cache.yaml": text[: (1 << 20) - 400_000]}, "immutable": True}
    server.configmaps.put(NAMESPACE, NAME, body)
    assert await watching.texts() == body["data"]
    server.configmaps.compact()
    server.watches.drop()
    assert await watching.texts() == body["data"]
    assert server.count("list") == 2


async def test_nothing_is_left_open_when_it_is_closed(
    server: ApiServer, watching: Watching
) -> None:
    await watching.close()
    await until(lambda: len(server.watches) == 0)
