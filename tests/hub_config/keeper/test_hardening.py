"""A student's container is fenced in, flag by flag."""

from __future__ import annotations

import pytest

from hub_config.keeper import hardening
from hub_config.keeper.hardening import Container

MB = 1024 * 1024


def container(**changes) -> Container:
    facts = {
        "name": "radlab-1",
        "image": "radlab/base:1",
        "environment": {"A": "1"},
        "labels": {"radlab.lease": "1"},
        "network": "radlab0",
        "dns": ["172.29.0.1"],
        "home_volume": "radlab-home-mei",
        "datasets": "/state/datasets/visible/everyone",
        "modules": "/state/modules",
        "cpus": 1.5,
        "memory_mb": 4096,
        "pids": 512,
    }
    return Container(**(facts | changes))


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("cap_drop", ["ALL"]),
        ("security_opt", ["no-new-privileges:true"]),
        ("privileged", False),
        ("read_only", True),
        ("pids_limit", 512),
        ("mem_limit", 4096 * MB),
        ("memswap_limit", 4096 * MB),
        ("cpu_period", 100_000),
        ("cpu_quota", 150_000),
        ("ipc_mode", "private"),
        ("shm_size", 2048 * MB),
        ("network_mode", "radlab0"),
        ("dns", ["172.29.0.1"]),
        ("dns_search", ["."]),
        ("sysctls", {"net.ipv6.conf.all.disable_ipv6": "1"}),
        ("auto_remove", False),
        ("restart_policy", {"Name": "no"}),
        ("oom_score_adj", 500),
        ("device_requests", []),
    ],
)
def test_the_fence_has_this_flag(flag, value):
    assert hardening.host_config(container())[flag] == value


def test_nothing_loosens_the_fence():
    loose = {"cap_add", "devices", "binds", "pid_mode", "userns_mode", "port_bindings", "group_add"}
    assert not loose & set(hardening.host_config(container()))


def test_the_user_is_nobody_of_the_host():
    arguments = hardening.create_arguments(container())
    assert arguments["user"] == "10001:10001"
    assert arguments["hostname"] == "radlab"


def test_only_the_home_can_be_written_and_the_engines_socket_is_nowhere():
    mounts = {mount["Target"]: mount for mount in hardening.mounts(container())}
    writable = [target for target, mount in mounts.items() if not mount.get("ReadOnly")]
    assert set(mounts) == {"/home/student", "/datasets", "/modules"}
    assert writable == ["/home/student"]
    assert not any("docker.sock" in mount["Source"] for mount in mounts.values())


def test_temporary_files_are_bounded_and_only_those_of_tmp_may_be_run():
    tmpfs = hardening.host_config(container(memory_mb=1024))["tmpfs"]
    assert tmpfs["/tmp"].split(",")[:4] == ["rw", "exec", "nosuid", "nodev"]
    assert f"size={512 * MB}" in tmpfs["/tmp"]
    assert "noexec" in tmpfs["/run"]


def test_files_and_core_dumps_are_bounded():
    ulimits = {each["Name"]: each["Hard"] for each in hardening.host_config(container())["ulimits"]}
    assert ulimits == {"nofile": 16384, "core": 0}


def test_logs_cannot_fill_the_disk():
    assert hardening.host_config(container())["log_config"]["Config"] == {
        "max-size": "1m",
        "max-file": "2",
    }


def test_a_lease_of_two_devices_passes_exactly_those():
    config = hardening.host_config(container(device_uuids=["GPU-a", "GPU-b"]))
    (request,) = config["device_requests"]
    assert request["DeviceIDs"] == ["GPU-a", "GPU-b"]
    assert request["Capabilities"] == [["gpu"]]
    assert request["Count"] == 0
    environment = hardening.create_arguments(container(device_uuids=["GPU-a"]))["environment"]
    assert environment["NVIDIA_VISIBLE_DEVICES"] == "GPU-a"


def test_without_a_device_nvidias_runtime_is_told_to_show_none():
    environment = hardening.create_arguments(
        container(environment={"NVIDIA_VISIBLE_DEVICES": "all"})
    )
    assert environment["environment"]["NVIDIA_VISIBLE_DEVICES"] == "void"
