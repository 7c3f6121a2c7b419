"""What a student's container may reach, as iptables rules; pure, no command is run here.

Each RadLab has two bridges: `<instance>0`, closed, from which nothing is forwarded, and
`<instance>1`, open, from which the internet is reached but no local network. Three chains of the
filter table hold the rules, so that several RadLabs share a machine:

- `RADLAB-IN-<instance>`, first in INPUT: sends what comes from the bridges to `RADLAB-LO-...`,
  and keeps everybody else but the host itself off the host's addresses on those bridges (Linux
  answers for any of its addresses on any interface, so the Hub's API would be open to the LAN).
- `RADLAB-LO-<instance>`: from a container to the host only the Hub's API and the public port.
- `RADLAB-FW-<instance>`, first in DOCKER-USER (IPv6: in FORWARD): what is forwarded. Frames
  between two containers of one bridge pass here too while bridge-nf-call-iptables is 1.

Rules are written as `iptables -S` prints them, and compared option by option.
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hub_config.errors import Conflict
from hub_config.settings import Settings

IPV4 = 4
IPV6 = 6
_PREFIX = "RADLAB-"
# Not the internet: IANA's special-purpose registry (RFC 6890), multicast and class E. Link-local
# holds the metadata address of clouds, 100.64/10 that of some others.
NOT_INTERNET = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
)


class SubnetTaken(Conflict):
    """A students' network would lie over a network that the machine has already."""

    code = "subnet_taken"


def network_name(settings: Settings, internet: bool = False) -> str:
    """The Docker network, and the bridge, of students with or without the internet."""
    return f"{settings.instance}{1 if internet else 0}"


def network_dns(settings: Settings, internet: bool = False) -> list[str]:
    """Name servers for a container: none that answers where there is no internet.

    Docker's resolver asks the host's name servers also for containers that may reach nothing,
    which lets data out in questions (CVE-2024-29018); an address where nobody listens does not.
    """
    return [] if internet else [settings.hub_address]


@dataclass(frozen=True)
class Plan:
    """All that the rules depend on."""

    instance: str
    closed: str
    open: str
    closed_subnet: str
    open_subnet: str
    hub_address: str
    ports: tuple[int, ...]
    name_servers: tuple[str, ...] = ()
    local_networks: tuple[str, ...] = ()

    def chain(self, kind: str) -> str:
        """The name of this RadLab's chain of that kind: IN, LO or FW."""
        return f"{_PREFIX}{kind}-{self.instance}"


def plan(
    settings: Settings, name_servers: Iterable[str] = (), local_networks: Iterable[str] = ()
) -> Plan:
    """The plan for these settings on a machine with those name servers and networks."""
    return Plan(
        instance=settings.instance,
        closed=network_name(settings, internet=False),
        open=network_name(settings, internet=True),
        closed_subnet=settings.closed_subnet,
        open_subnet=settings.open_subnet,
        hub_address=settings.hub_address,
        ports=tuple(dict.fromkeys((settings.hub_port, settings.port))),
        name_servers=tuple(sorted(set(filter(_is_ipv4, name_servers)))),
        local_networks=tuple(sorted(set(filter(_needs_a_wall, local_networks)))),
    )


def chains(wanted: Plan, family: int) -> dict[str, list[str]]:
    """The rules of each of our chains, in order, without their `-A CHAIN`."""
    if family == IPV6:
        return {
            wanted.chain("IN"): _everything_from(wanted, "icmp6-port-unreachable"),
            wanted.chain("FW"): _everything_from(wanted, "icmp6-port-unreachable")
            + _everything_to(wanted, "icmp6-port-unreachable"),
        }
    return {
        wanted.chain("IN"): _arriving(wanted),
        wanted.chain("LO"): _to_the_host(wanted),
        wanted.chain("FW"): _forwarded(wanted),
    }


def jumps(wanted: Plan, family: int) -> dict[str, str]:
    """Which built-in or Docker chain must begin with a jump to which of ours."""
    forward = "DOCKER-USER" if family == IPV4 else "FORWARD"
    return {"INPUT": wanted.chain("IN"), forward: wanted.chain("FW")}


def _everything_from(wanted: Plan, reply: str) -> list[str]:
    bridges = (wanted.closed, wanted.open)
    return [f"-i {bridge} -j REJECT --reject-with {reply}" for bridge in bridges]


def _everything_to(wanted: Plan, reply: str) -> list[str]:
    bridges = (wanted.closed, wanted.open)
    return [f"-o {bridge} -j REJECT --reject-with {reply}" for bridge in bridges]


_REJECT = "-j REJECT --reject-with icmp-port-unreachable"


def _arriving(wanted: Plan) -> list[str]:
    local = wanted.chain("LO")
    return [
        "-i lo -j RETURN",
        f"-i {wanted.closed} -j {local}",
        f"-i {wanted.open} -j {local}",
        f"-d {_canonical_network(wanted.closed_subnet)} {_REJECT}",
        f"-d {_canonical_network(wanted.open_subnet)} {_REJECT}",
    ]


def _to_the_host(wanted: Plan) -> list[str]:
    hub = f"-d {wanted.hub_address}/32 -p tcp -m tcp --dport"
    return [
        "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        *(f"{hub} {port} -j ACCEPT" for port in wanted.ports),
        _REJECT,
    ]


def _forwarded(wanted: Plan) -> list[str]:
    rules = [
        f"-i {wanted.closed} {_REJECT}",
        f"-o {wanted.closed} {_REJECT}",
        f"-o {wanted.open} -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
        f"-o {wanted.open} {_REJECT}",
    ]
    for server in wanted.name_servers:
        for protocol in ("udp", "tcp"):
            asks = f"-p {protocol} -m {protocol} --dport 53"
            rules.append(f"-d {server}/32 -i {wanted.open} {asks} -j RETURN")
    for network in (*NOT_INTERNET, *wanted.local_networks):
        rules.append(f"-d {_canonical_network(network)} -i {wanted.open} {_REJECT}")
    return rules


@dataclass(frozen=True)
class Found:
    """The filter table as `iptables -S` shows it: rules of each chain, in order."""

    chains: dict[str, list[str]]


def read(listing: str) -> Found:
    """The table that a listing of `iptables -S` describes."""
    found: dict[str, list[str]] = {}
    for line in listing.splitlines():
        kind, _, rest = line.strip().partition(" ")
        chain, _, rule = rest.partition(" ")
        if kind in ("-P", "-N"):
            found.setdefault(chain, [])
        elif kind == "-A":
            found.setdefault(chain, []).append(rule)
    return Found(found)


def problems(wanted: Plan, found: Found, family: int) -> list[str]:
    """What of the walls is missing or wrong, as sentences; empty where they stand."""
    wrong = []
    for chain, rules in chains(wanted, family).items():
        there = found.chains.get(chain)
        if there is None:
            wrong.append(f"the IPv{family} chain {chain} is missing")
        elif [canonical(rule) for rule in there] != [canonical(rule) for rule in rules]:
            wrong.append(f"the IPv{family} chain {chain} was changed")
    for chain, ours in jumps(wanted, family).items():
        if not _comes_first(found, chain, ours):
            wrong.append(f"the IPv{family} chain {chain} does not begin with {ours}")
    if family == IPV4 and not _docker_user_comes_first(found):
        wrong.append("the IPv4 chain FORWARD does not begin with DOCKER-USER")
    return wrong


def repair(wanted: Plan, found: Found, family: int) -> str:
    """Input of `iptables-restore --noflush` that puts the walls up in one step."""
    lines = ["*filter"]
    lines += [f":{chain} - [0:0]" for chain in chains(wanted, family)]
    if family == IPV4 and "DOCKER-USER" not in found.chains:
        lines.append(":DOCKER-USER - [0:0]")
    for chain, rules in chains(wanted, family).items():
        lines += [f"-A {chain} {rule}" for rule in rules]
    if family == IPV4 and not _docker_user_comes_first(found):
        lines += _removals(found, "FORWARD", "DOCKER-USER")
        lines.append("-I FORWARD 1 -j DOCKER-USER")
    for chain, ours in jumps(wanted, family).items():
        if not _comes_first(found, chain, ours):
            lines += _removals(found, chain, ours)
            lines.append(f"-I {chain} 1 -j {ours}")
    return "\n".join([*lines, "COMMIT", ""])


def removal(wanted: Plan, found: Found, family: int) -> str:
    """Input of `iptables-restore --noflush` that takes our chains away; empty where none is."""
    ours = [chain for chain in chains(wanted, family) if chain in found.chains]
    if not ours:
        return ""
    lines = ["*filter"]
    for chain, target in jumps(wanted, family).items():
        lines += _removals(found, chain, target)
    lines += [f"-F {chain}" for chain in ours] + [f"-X {chain}" for chain in ours]
    return "\n".join([*lines, "COMMIT", ""])


def _removals(found: Found, chain: str, target: str) -> list[str]:
    there = [rule for rule in found.chains.get(chain, []) if _target(rule) == target]
    return [f"-D {chain} {rule}" for rule in there]


def _comes_first(found: Found, chain: str, ours: str) -> bool:
    # Another RadLab's jump may stand before ours: its rules name its own bridges only.
    kind = ours.split("-")[1]
    for rule in found.chains.get(chain, []):
        if canonical(rule) == canonical(f"-j {ours}"):
            return True
        if not _target(rule).startswith(f"{_PREFIX}{kind}-"):
            return False
    return False


def _docker_user_comes_first(found: Found) -> bool:
    rules = found.chains.get("FORWARD", [])
    return bool(rules) and canonical(rules[0]) == canonical("-j DOCKER-USER")


def _target(rule: str) -> str:
    words = shlex.split(rule)
    return words[words.index("-j") + 1] if "-j" in words else ""


def canonical(rule: str) -> tuple[tuple[str, ...], ...]:
    """The rule as its options in a fixed order: iptables prints them in one of its own."""
    options: list[list[str]] = []
    for word in shlex.split(rule):
        if word.startswith("-") or word == "!" or not options:
            follows_not = bool(options) and options[-1] == ["!"]
            options[-1].append(word) if follows_not else options.append([word])
        else:
            options[-1].append(word)
    return tuple(sorted(tuple(option) for option in options))


def check_subnets(wanted: Plan, taken: Sequence[tuple[str, str]]) -> None:
    """SubnetTaken where a students' network overlaps one of `taken` (network, what has it)."""
    pairs = (("closed_subnet", wanted.closed_subnet), ("open_subnet", wanted.open_subnet))
    for setting, text in pairs:
        ours = ipaddress.IPv4Network(text)
        for network, owner in taken:
            if ours.overlaps(ipaddress.IPv4Network(network, strict=False)):
                raise SubnetTaken(
                    "The students' network {ours} overlaps {network}, which {owner} has.",
                    given=text,
                    do="Choose a free network: set RADLAB_{upper} or `{setting}` in settings.yaml, "
                    "such as 172.30.0.0/20.",
                    ours=ours,
                    network=network,
                    owner=owner,
                    setting=setting,
                    upper=setting.upper(),
                )
    if ipaddress.IPv4Network(wanted.closed_subnet).overlaps(
        ipaddress.IPv4Network(wanted.open_subnet)
    ):
        raise SubnetTaken(
            "The students' two networks, {closed} and {open}, overlap.",
            do="Set closed_subnet and open_subnet to networks apart from each other.",
            closed=wanted.closed_subnet,
            open=wanted.open_subnet,
        )


def _canonical_network(text: str) -> str:
    return str(ipaddress.IPv4Network(text, strict=False))


def _is_ipv4(text: str) -> bool:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def _needs_a_wall(text: str) -> bool:
    """Whether a network that the machine is on is not in NOT_INTERNET already."""
    network = ipaddress.IPv4Network(text, strict=False)
    if network.prefixlen == 0:
        return False
    return not any(network.subnet_of(ipaddress.IPv4Network(known)) for known in NOT_INTERNET)
