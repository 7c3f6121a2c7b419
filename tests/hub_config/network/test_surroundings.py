"""What the kernel and resolv.conf say of the machine."""

from __future__ import annotations

from hub_config.network import surroundings

TABLE = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
eth0	000200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
tun0	0000000A	010200C0	0003	0	0	0	000000FF	0	0	0
"""


def test_routes_are_read_with_their_masks() -> None:
    assert surroundings.parse_routes(TABLE) == [
        ("0.0.0.0/0", "eth0", False),
        ("192.0.2.0/24", "eth0", True),
        ("10.0.0.0/8", "tun0", False),
    ]


def test_name_servers_are_read_and_comments_are_not() -> None:
    text = "# nameserver 1.1.1.1\nsearch x\nnameserver 192.0.2.1\nnameserver fd00::1\n"
    assert surroundings.parse_name_servers(text) == ["192.0.2.1", "fd00::1"]


def test_this_machine_has_a_loopback_or_more_to_tell() -> None:
    assert all("/" in network for network in surroundings.local_networks())
