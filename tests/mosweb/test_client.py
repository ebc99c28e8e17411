import pytest

from mosweb.client import client_address, plain_address
from mosweb.throttle import network


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1:4711 ", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ('"[2001:DB8:0::1]:443"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unknown", None),
        ("_hidden", None),
        ("", None),
        ("[", None),
        ("192.0.2.1:443:1", None),
        ("192.0.2.999", None),
        ("x\0", None),
    ],
)
def test_an_address_is_read_as_proxies_write_it(written, address):
    assert plain_address(written) == address


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "192.0.2.1", "127.0.0.1"),
        (1, "198.51.100.9, 192.0.2.1:80", "192.0.2.1"),
        (2, "198.51.100.9, 192.0.2.1, 10.0.0.1", "192.0.2.1"),
        (2, "192.0.2.1", "127.0.0.1"),
        (1, "198.51.100.9, unknown", "127.0.0.1"),
        (1, "", "127.0.0.1"),
    ],
)
def test_only_what_our_own_proxies_saw_is_believed(rf, settings, proxies, forwarded, address):
    settings.PROXIES = proxies
    assert client_address(rf.get("/", HTTP_X_FORWARDED_FOR=forwarded)) == address


def test_a_unix_socket_has_no_address(rf):
    assert client_address(rf.get("/", REMOTE_ADDR="")) is None
    assert network(rf.get("/", REMOTE_ADDR="")) is None


def test_the_addresses_of_one_ipv6_host_count_as_one(rf):
    assert network(rf.get("/", REMOTE_ADDR="2001:db8:1:2:3::4")) == network(rf.get("/", REMOTE_ADDR="2001:db8:1:2::9"))
    assert network(rf.get("/", REMOTE_ADDR="2001:db8:1:2::9")) != network(rf.get("/", REMOTE_ADDR="2001:db8:1:3::9"))
