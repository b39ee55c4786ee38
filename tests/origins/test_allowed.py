"""Which origins a document may name, and what `--origin-allow` adds."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from sidecar.config.origins import OriginConfig
from sidecar.origins.address import Template
from sidecar.origins.allowed import Allowed
from sidecar.origins.checking import find_fault
from sidecar.origins.own import OwnListeners, is_local


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("127.0.0.1", True),
        ("127.200.3.4", True),
        ("[::1]", True),
        ("[0:0:0:0:0:0:0:1]", True),
        ("[::ffff:127.0.0.1]", True),
        ("[::ffff:10.0.0.1]", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("[::]", False),
        ("169.254.169.254", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("2130706433", False),
        ("0x7f.1", False),
        ("127.1", False),
        ("127.0.0.01", False),
        ("kubernetes.default.svc", False),
    ],
)
def test_only_loopback_is_allowed_by_default(host: str, *, allowed: bool) -> None:
    """On any port, by http and https; the refusal names the flag and what to write there."""
    refusal = Allowed().refusal(Template(f"https://{host}:8443/a/{{key}}.json"))
    assert (refusal is None) == allowed
    if refusal is not None:
        assert "without --origin-allow only loopback addresses are allowed" in refusal
        assert f"add --origin-allow https://{host.strip('.')}:8443/a/ to" in refusal or "[" in host


@pytest.mark.parametrize(
    ("template", "allowed"),
    [
        ("http://api:8080/items/{key}", True),
        ("http://API:8080/items/{key}", True),
        ("http://api:8080/items/a/{key}?b=c", True),
        ("http://api:8080/items?id={key}", True),
        ("http://api:8080/items/a?id={key}", True),
        ("http://api:8080/items{key}", False),
        ("http://api:8080/items2/{key}", False),
        ("http://api:8080/items2?id={key}", False),
        ("http://api:8080/{key}", False),
        ("http://api:8080/{key}/items/", False),
        ("http://api:8080/ITEMS/{key}", False),
        ("http://api/items/{key}", False),
        ("https://api:8080/items/{key}", False),
        ("http://api.evil:8080/items/{key}", False),
        ("http://localhost:8080/items/{key}", False),
        ("https://[::2]/any/{key}", True),
        ("https://[0::2]:443/{key}", True),
    ],
)
def test_stated_prefixes_replace_loopback(template: str, *, allowed: bool) -> None:
    """Scheme, host and port have to be the same, the path is compared by its segments."""
    it = Allowed(["http://api:8080/items", "https://[::2]"])
    refusal = it.refusal(Template(template))
    assert (refusal is None) == allowed
    if refusal is not None:
        assert "--origin-allow only allows http://api:8080/items, https://[::2]/" in refusal


@pytest.mark.parametrize("prefix", ["", "localhost:8080", "http://a/?b", "http://u@a/", "*"])
def test_a_prefix_that_is_no_url_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match=r"is not a URL|has a query"):
        Allowed([prefix])


@pytest.mark.parametrize(
    ("host", "address", "allowed"),
    [
        ("localhost", "127.0.0.1", True),
        ("localhost", "::1", True),
        ("localhost", "::ffff:127.0.0.1", True),
        ("localhost", "10.0.0.1", False),
        ("localhost", "::ffff:10.0.0.1", False),
        ("localhost", "fe80::1%eth0", False),
        ("api", "10.0.0.1", True),
    ],
)
def test_the_address_of_a_loopback_name_has_to_be_loopback(
    host: str, address: str, *, allowed: bool
) -> None:
    base = Template(f"http://{host}/{{key}}").base
    assert (Allowed.refusal_of_address(base, address) is None) == allowed


OWN = [("127.0.0.1", 7070), ("0.0.0.0", 7071), ("::1", 6379)]


@pytest.mark.parametrize(
    ("host", "port", "is_own"),
    [
        ("localhost", 7070, True),
        ("127.0.0.1", 7070, True),
        ("::ffff:127.0.0.1", 7070, True),
        ("0.0.0.0", 7070, True),
        ("127.0.0.1", 8080, False),
        ("127.0.0.2", 7070, False),
        ("10.0.0.9", 7070, False),
        ("127.0.0.2", 7071, True),
        ("10.0.0.9", 7071, True),
        ("10.0.0.8", 7071, False),
        ("localhost", 6379, True),
        ("127.0.0.1", 6379, False),
        ("::1", 7071, False),
        ("api", 7071, False),
    ],
)
def test_the_sidecar_itself_is_no_origin(host: str, port: int, *, is_own: bool) -> None:
    """10.0.0.9 is the pod's address: a listener on all addresses has it, too."""
    own = OwnListeners(OWN, is_local=lambda address: str(address) == "10.0.0.9")
    assert (own.refusal(host, port) is not None) == is_own


def test_this_machine_knows_its_own_addresses() -> None:
    assert is_local(ip_address("127.0.0.1"))
    assert not is_local(ip_address("192.0.2.1"))


@pytest.mark.parametrize(
    ("config", "field", "sentence"),
    [
        (OriginConfig(url="http://localhost/"), "url", "{key} 0 times"),
        (OriginConfig(url="http://10.0.0.1/{key}"), "url", "--origin-allow"),
        (OriginConfig(url="http://localhost:7070/{key}"), "url", "is the sidecar itself"),
        (OriginConfig(url="http://localhost:7071/{key}"), "url", "is the sidecar itself"),
    ],
)
def test_a_fault_names_its_field(config: OriginConfig, field: str, sentence: str) -> None:
    fault = find_fault(config, Allowed(), OwnListeners(OWN))
    assert fault is not None
    assert fault.field == field
    assert sentence in fault.sentence


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"X": "a\r\nHost: b"}, "The value of X"),
        ({"X": " a"}, "The value of X"),
        ({"X": ""}, "The value of X"),
        ({"X": "ü"}, "The value of X"),
        ({"X": "a" * 5000}, "The value of X"),
        ({"X Y": "a"}, "'X Y' is not the name"),
        ({"": "a"}, "'' is not the name"),
        ({"X\n": "a"}, "is not the name"),
        ({"host": "a"}, "host is set by the sidecar itself"),
        ({"If-Match": "a"}, "If-Match is set by the sidecar itself"),
        ({"Accept-Encoding": "gzip"}, "Accept-Encoding is set by the sidecar itself"),
        ({"A": "1", "a": "2"}, "is there twice"),
        ({f"X{number}": "a" for number in range(33)}, "at most 32"),
    ],
)
def test_a_header_field_that_must_not_be_sent_is_refused(
    fields: dict[str, str], sentence: str
) -> None:
    """The sentence does not show its value, which may be secret."""
    config = OriginConfig(url="http://localhost/{key}", headers=fields)
    fault = find_fault(config, Allowed(), OwnListeners())
    assert fault is not None
    assert fault.field == "headers"
    assert sentence in fault.sentence


def test_a_secret_is_not_in_the_representation_of_a_configuration() -> None:
    config = OriginConfig(url="http://localhost/{key}", headers={"Authorization": "Bearer secret"})
    assert find_fault(config, Allowed(), OwnListeners()) is None
    assert "secret" not in repr(config)
