"""The walls as text: what is written, what is recognised, what is repaired."""

from __future__ import annotations

import pytest

from hub_config.network import rules
from hub_config.network.rules import IPV4, IPV6, Found, SubnetTaken
from hub_config.settings import Settings

SETTINGS = Settings(instance="lab", port=8000, hub_port=8081)
PLAN = rules.plan(SETTINGS, ["192.0.2.53", "127.0.0.53", "fd00::1"], ["192.168.1.0/24"])
DOCKERS_OWN = {
    "INPUT": [],
    "FORWARD": ["-j DOCKER-USER", "-o docker0 -j DOCKER"],
    "DOCKER-USER": ["-j RETURN"],
}


def standing(family: int = IPV4) -> dict[str, list[str]]:
    """The table of a machine on which the walls stand."""
    table = {chain: list(lines) for chain, lines in DOCKERS_OWN.items()}
    table.update({chain: list(lines) for chain, lines in rules.chains(PLAN, family).items()})
    for chain, ours in rules.jumps(PLAN, family).items():
        table[chain] = [f"-j {ours}", *table[chain]]
    return table


@pytest.mark.parametrize("family", [IPV4, IPV6])
def test_standing_walls_have_no_problem(family: int) -> None:
    assert rules.problems(PLAN, Found(standing(family)), family) == []


def test_rules_in_another_order_of_options_are_recognised() -> None:
    table = standing()
    table["RADLAB-FW-lab"] = [
        line.replace("-d 10.0.0.0/8 -i lab1", "-i lab1 -d 10.0.0.0/8")
        for line in table["RADLAB-FW-lab"]
    ]
    assert rules.problems(PLAN, Found(table), IPV4) == []


def _without(chain: str, index: int) -> dict[str, list[str]]:
    table = standing()
    del table[chain][index]
    return table


def _with(chain: str, index: int, line: str) -> dict[str, list[str]]:
    table = standing()
    table[chain].insert(index, line)
    return table


FAULTS = {
    "a rule of ours removed": _without("RADLAB-FW-lab", 0),
    "the reject at the end removed": _without("RADLAB-LO-lab", -1),
    "a rule put among ours": _with("RADLAB-LO-lab", 0, "-p tcp -j ACCEPT"),
    "a negation is not the same": {
        **standing(),
        "RADLAB-IN-lab": [
            line.replace("-i lo ", "! -i lo ") for line in standing()["RADLAB-IN-lab"]
        ],
    },
    "the jump from INPUT removed": _without("INPUT", 0),
    "an accept before us in INPUT": _with("INPUT", 0, "-j ACCEPT"),
    "an accept before us in DOCKER-USER": _with("DOCKER-USER", 0, "-s 10.0.0.0/8 -j ACCEPT"),
    "an accept before DOCKER-USER": _with("FORWARD", 0, "-i lab1 -j ACCEPT"),
    "the jump limited to one interface": {**standing(), "INPUT": ["-i eth0 -j RADLAB-IN-lab"]},
    "an empty table": {},
    "Docker alone": DOCKERS_OWN,
}


@pytest.mark.parametrize("table", FAULTS.values(), ids=FAULTS.keys())
def test_each_fault_in_the_walls_is_seen(table: dict[str, list[str]]) -> None:
    assert rules.problems(PLAN, Found(table), IPV4)


def test_another_radlab_may_stand_before_us() -> None:
    table = _with("INPUT", 0, "-j RADLAB-IN-other")
    table["DOCKER-USER"].insert(0, "-j RADLAB-FW-other")
    assert rules.problems(PLAN, Found(table), IPV4) == []


def test_a_listing_is_read_chain_by_chain() -> None:
    found = rules.read("-P INPUT ACCEPT\n-N X\n-A INPUT -i lo -j X\n-A X -j RETURN\n")
    assert found.chains == {"INPUT": ["-i lo -j X"], "X": ["-j RETURN"]}


def test_a_repair_removes_misplaced_jumps_and_inserts_them_first() -> None:
    table = _with("INPUT", 0, "-j ACCEPT")
    change = rules.repair(PLAN, Found(table), IPV4).splitlines()
    assert change.index("-D INPUT -j RADLAB-IN-lab") < change.index("-I INPUT 1 -j RADLAB-IN-lab")
    assert "-I DOCKER-USER 1 -j RADLAB-FW-lab" not in change
    assert (change[0], change[-1]) == ("*filter", "COMMIT")


def test_removal_names_only_our_chains_and_nothing_where_none_is() -> None:
    change = rules.removal(PLAN, Found(standing()), IPV4)
    assert "-X RADLAB-LO-lab" in change and "DOCKER-USER -j RETURN" not in change
    assert rules.removal(PLAN, Found(DOCKERS_OWN), IPV4) == ""


def test_the_host_answers_containers_on_two_ports_only() -> None:
    accepted = [line for line in rules.chains(PLAN, IPV4)["RADLAB-LO-lab"] if "ACCEPT" in line]
    assert len(accepted) == 3  # established, the Hub's API, the public port
    assert all("172.29.0.1/32" in line for line in accepted[1:])


def test_name_servers_are_reached_before_local_networks_are_refused() -> None:
    lines = rules.chains(PLAN, IPV4)["RADLAB-FW-lab"]
    asks = [i for i, line in enumerate(lines) if "--dport 53" in line]
    walls = [i for i, line in enumerate(lines) if "192.0.2.0/24" in line]
    assert len(asks) == 2 and max(asks) < min(walls)


@pytest.mark.parametrize("network", ["169.254.0.0/16", "10.0.0.0/8", "100.64.0.0/10"])
def test_the_open_network_reaches_no_private_range(network: str) -> None:
    refused = f"-d {network} -i lab1 -j REJECT --reject-with icmp-port-unreachable"
    assert refused in rules.chains(PLAN, IPV4)["RADLAB-FW-lab"]


def test_a_local_network_with_public_addresses_gets_a_wall_of_its_own() -> None:
    made = rules.plan(SETTINGS, [], ["131.130.0.0/16", "10.1.0.0/16", "0.0.0.0/0"])
    assert made.local_networks == ("131.130.0.0/16",)


def test_nothing_passes_on_ipv6() -> None:
    made = rules.chains(PLAN, IPV6)
    assert {line.split()[0] + line.split()[1] for line in made["RADLAB-FW-lab"]} == {
        "-ilab0",
        "-ilab1",
        "-olab0",
        "-olab1",
    }
    assert all("REJECT" in line for lines in made.values() for line in lines)


def test_names_of_a_long_instance_fit_the_kernel() -> None:
    longest = Settings(instance="a" * 12)
    assert len(rules.network_name(longest, internet=True)) <= 15
    assert len(rules.plan(longest).chain("FW")) <= 28


def test_a_closed_network_asks_no_name_server() -> None:
    assert rules.network_dns(SETTINGS, internet=False) == ["172.29.0.1"]
    assert rules.network_dns(SETTINGS, internet=True) == []


def test_a_subnet_in_use_is_refused_and_names_the_setting() -> None:
    with pytest.raises(SubnetTaken, match=r"172\.29\.0\.0/20 overlaps 172\.29\.8\.0/24.*eth1"):
        rules.check_subnets(PLAN, [("172.29.8.0/24", "the interface eth1")])
    with pytest.raises(SubnetTaken, match="RADLAB_OPEN_SUBNET"):
        rules.check_subnets(PLAN, [("172.29.16.0/24", "the interface eth1")])
    rules.check_subnets(PLAN, [("192.168.0.0/16", "the interface eth0")])


def test_two_overlapping_subnets_of_ours_are_refused() -> None:
    twice = rules.plan(Settings(closed_subnet="172.29.0.0/16", open_subnet="172.29.16.0/20"))
    with pytest.raises(SubnetTaken, match="overlap"):
        rules.check_subnets(twice, [])
