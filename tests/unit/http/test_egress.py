"""F40: whatever an address is spelled like, nothing private is reached unless its range is allowed."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_etl.errors import Permanent, Retryable
from cryptosource_etl.http import EgressPolicy, parse_cidrs
from cryptosource_store.reasons import Reason
from support.wire import Wire, answer

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "104.18.0.1",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "100.63.255.255",
    "100.128.0.0",
    "169.253.255.255",
    "223.255.255.255",
    "2606:4700::1111",
    "2a00:1450:4001::1",
]
PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::7f00:1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "localhost",
    "",
]
SPELLINGS_OF_LOOPBACK = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "017700000001",
    "0177.0.0.1",
    "0177.0x0.0.1",
    "0177.0.0.01",
    "0000177.0.0.1",
    "0",
    "0.0.0.0",
    "00.0",
    "localhost",
    "LOCALHOST",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::FFFF:7F00:0001]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fc00::1]",
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "10.0.0.1",
    "192.168.0.1",
    "172.16.0.1",
    "100.100.100.200",
    "127。0。0。1",
    "①②⑦.⓪.⓪.①",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_permitted(address):
    assert EgressPolicy().permits(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_everything_else_is_denied(address):
    assert not EgressPolicy().permits(address)


@given(st.ip_addresses())
def test_what_python_does_not_call_global_is_never_permitted(address):
    assert address.is_global or not EgressPolicy().permits(str(address))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_ipv6_is_never_permitted(address):
    number = int(address)
    nat64 = ipaddress.IPv6Address("64:ff9b::")
    six_to_four = ipaddress.IPv6Address("2002::")
    dressed = [
        ipaddress.IPv6Address(number),
        ipaddress.IPv6Address(0xFFFF_0000_0000 | number),
        ipaddress.IPv6Address(int(nat64) | number),
        ipaddress.IPv6Address(int(six_to_four) | number << 80),
    ]

    assert not any(EgressPolicy().permits(str(each)) for each in dressed)


def test_an_allowed_range_opens_itself_and_nothing_beside_it():
    policy = EgressPolicy(parse_cidrs("127.0.0.0/8, fd00:1::/32"))

    assert policy.permits("127.0.0.1")
    assert policy.permits("fd00:1::5")
    assert not policy.permits("::ffff:127.0.0.1")
    assert not policy.permits("::1")
    assert not policy.permits("10.0.0.1")
    assert policy.permits("1.1.1.1")


@pytest.mark.parametrize("host", SPELLINGS_OF_LOOPBACK)
def test_no_spelling_of_a_private_address_gets_a_packet_through(make_client, host):
    with Wire(answer(), host="0.0.0.0") as wire:
        # A spelling that is no address at all ends as an unknown name or a bad URL.
        with pytest.raises((Permanent, Retryable)) as failure:
            make_client(allow="", retry={"max_attempts": 1}).get(wire.url(host=host))

        assert wire.connections == 0
        assert failure.value.reason in {
            Reason.EGRESS_DENIED,
            Reason.INVALID_SPEC,
            Reason.UPSTREAM_UNREACHABLE,
        }


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "LOCALHOST"])
def test_every_spelling_of_an_allowed_address_gets_through(make_client, host):
    with Wire(answer(200, b"market")) as wire:
        assert make_client(allow="127.0.0.0/8").get(wire.url(host=host)).body == b"market"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "localhost", "[::1]"])
def test_the_refusal_names_the_host_and_the_setting_but_no_address_it_resolved(make_client, host):
    resolved = "10.11.12.13"
    client = make_client(allow="", resolver=lambda *_: [resolved])

    with pytest.raises(Permanent) as failure:
        client.get(f"http://{host}:1/")

    assert failure.value.reason is Reason.EGRESS_DENIED
    assert host.strip("[]") in failure.value.message
    assert "CRYPTOSOURCE_EGRESS_ALLOW" in failure.value.message
    assert resolved not in failure.value.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" , ", []),
        ("127.0.0.0/8", ["127.0.0.0/8"]),
        ("10.0.0.5", ["10.0.0.5/32"]),
        ("10.0.0.0/8,fd00::/8\n192.168.0.0/16", ["10.0.0.0/8", "fd00::/8", "192.168.0.0/16"]),
    ],
)
def test_ranges_are_read_between_commas_and_blanks(text, expected):
    assert [str(network) for network in parse_cidrs(text)] == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("example.com", "'example.com' is not a range"),
        ("10.0.0.0/33", "write CIDRs such as"),
        ("127.0.0.1/8", "write 127.0.0.0/8"),
        ("127.0.0.0/8,x", "'x' is not a range"),
    ],
)
def test_a_wrong_range_is_named_with_what_would_be_right(text, says):
    with pytest.raises(ValueError, match=says):
        parse_cidrs(text)


@given(st.text(max_size=40))
def test_any_text_is_ranges_or_a_value_error(text):
    try:
        outcome = f"write {parse_cidrs(text)}"
    except ValueError as error:
        outcome = str(error)

    assert "write" in outcome
