from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub_config import clock
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Ended, Lease
from hub_config.groups.rules import UnknownGroup
from hub_config.usage import rules
from hub_config.usage.model import Bounds, Held, HomeUse, Kind, Limits, Over, Sample
from hub_config.usage.store import AuditStore, QuotaStore, UsageStore

Run = Callable[..., Lease]
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def at_two(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The stores' clock: two in the afternoon, two hours after the leases of `run` begin."""
    two = datetime(2026, 3, 4, 14, 0, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: two)
    return two


def test_limits_are_kept_changed_and_lifted(quotas: QuotaStore, at_two: datetime) -> None:
    quotas.change(Kind.GROUP, "radiology", {"gpus": 4, "gpu_hours_week": 7.5}, "ada")
    quotas.change(Kind.GROUP, "radiology", {"gpus": None, "minutes": 90}, "bob")
    kept = quotas.get(Kind.GROUP, "radiology")
    assert kept.limits == Limits(gpu_hours_week=7.5, minutes=90)
    assert (kept.set_at, kept.set_by) == (at_two, "bob")
    assert quotas.set(Kind.GROUP, "radiology", Limits(cpus=8), "ada").quota.limits == Limits(cpus=8)
    quotas.remove(Kind.GROUP, "radiology", "ada")
    assert quotas.all() == []
    for verb in (quotas.get, lambda kind, name: quotas.remove(kind, name, "ada")):
        with pytest.raises(rules.NoQuota, match="group 'radiology'"):
            verb(Kind.GROUP, "radiology")


def test_a_group_and_a_person_of_one_name_have_quotas_apart(quotas: QuotaStore) -> None:
    quotas.change(Kind.GROUP, "radiology", {"gpus": 4}, "ada")
    quotas.change(Kind.PERSON, "radiology", {"gpus": 1}, "ada")
    assert [(q.kind, q.limits.gpus) for q in quotas.all()] == [(Kind.GROUP, 4), (Kind.PERSON, 1)]


@pytest.mark.parametrize(
    ("kind", "name", "changes", "error"),
    [
        (Kind.GROUP, "radiology", {"servers": 5, "gpus": -1}, rules.BadLimit),
        (Kind.GROUP, "radiology", {"servers": 5, "gpu": 1}, rules.BadLimit),
        (Kind.GROUP, "radiolgy", {"servers": 5}, UnknownGroup),
        (Kind.PERSON, "", {"servers": 5}, rules.BadQuotaName),
        (Kind.PERSON, " sam", {"servers": 5}, rules.BadQuotaName),
        (Kind.PERSON, "s" * 256, {"servers": 5}, rules.BadQuotaName),
    ],
)
def test_a_wrong_quota_is_refused_whole(
    quotas: QuotaStore,
    audit: AuditStore,
    kind: Kind,
    name: str,
    changes: dict[str, float | None],
    error: type[Exception],
) -> None:
    before = quotas.change(Kind.GROUP, "radiology", {"gpus": 2}, "ada").quota
    noted = audit.recent()
    with pytest.raises(error):
        quotas.change(kind, name, changes, "ada")
    assert quotas.all() == [before]
    assert audit.recent() == noted


def test_a_limit_below_what_is_in_use_is_kept_and_says_what_is_over(
    quotas: QuotaStore, usage: UsageStore, ledger: Ledger, run: Run, at_two: datetime
) -> None:
    leases = [run(), run("eve", cpus=6.0, minutes=120)]
    usage.homes([HomeUse(username="eve", used_mb=3000, measured_at=at_two)])
    usage.homes([HomeUse(username="kim", used_mb=9000, measured_at=at_two)])
    limits = Limits(
        gpus=1, cpus=7, memory_mb=16384, servers=1, minutes=90, gpu_hours_week=3, disk_mb=2000
    )
    standing = quotas.set(Kind.GROUP, "radiology", limits, "ada")
    assert standing.held == Held(gpus=2, cpus=8, memory_mb=16384, servers=2, gpu_hours_week=4.0)
    assert standing.over == (
        Over(what="servers", limit=1, used=2),
        Over(what="gpus", limit=1, used=2),
        Over(what="cpus", limit=7, used=8),
        Over(what="gpu_hours_week", limit=3, used=4.0),
        Over(what="minutes", limit=90, used=120, username="eve"),
        Over(what="disk_mb", limit=2000, used=3000, username="eve"),
    )
    assert quotas.get(Kind.GROUP, "radiology").limits == limits
    assert ledger.active() == sorted(leases, key=lambda lease: lease.id)
    assert quotas.standings(at_two) == [standing]


def test_a_persons_quota_counts_their_leases_of_every_group(
    quotas: QuotaStore, run: Run, at_two: datetime
) -> None:
    run()
    run("sam", "oncology", server_name="second")
    run("eve", "oncology")
    assert quotas.held(Kind.PERSON, "sam", at_two).gpus == 2
    assert quotas.held(Kind.GROUP, "oncology", at_two).gpus == 2
    standing = quotas.change(Kind.PERSON, "sam", {"gpus": 1}, "ada")
    assert standing.over == (Over(what="gpus", limit=1, used=2),)


def test_a_person_is_bound_by_their_own_limits_and_their_class_groups(quotas: QuotaStore) -> None:
    quotas.change(Kind.GROUP, "radiology", {"gpus": 4}, "ada")
    quotas.change(Kind.PERSON, "sam", {"servers": 1}, "ada")
    bounds = quotas.of("sam", ["radiology", "oncology", "instructors", "radiology:instructors"])
    assert bounds == Bounds(
        person=Limits(servers=1), groups={"radiology": Limits(gpus=4), "oncology": Limits()}
    )
    assert quotas.of("eve", []) == Bounds(person=Limits(), groups={})


def test_the_end_of_hours_is_told_for_every_lease_that_they_end(
    quotas: QuotaStore, run: Run, noon: datetime, at_two: datetime
) -> None:
    sam, eve = run(minutes=600), run("eve", minutes=600)
    run("kim", "oncology", minutes=600)
    assert quotas.hours_ends(at_two) == {}
    quotas.change(Kind.GROUP, "radiology", {"gpu_hours_week": 6}, "ada")
    quotas.change(Kind.PERSON, "eve", {"gpu_hours_week": 1}, "ada")
    assert quotas.hours_ends(noon + 30 * MINUTE) == {
        sam.id: noon + 180 * MINUTE,
        eve.id: noon + 60 * MINUTE,
    }
    assert quotas.hours_ends(at_two)[eve.id] == at_two


def test_samples_keep_what_is_now_what_was_most_and_the_mean(
    usage: UsageStore, run: Run, noon: datetime
) -> None:
    lease = run()
    first = Sample(lease_id=lease.id, cpu=1.5, memory_mb=900, gpu=0.8, gpu_memory_mb=5000)
    usage.sample([first], noon)
    usage.sample(
        [replace(first, cpu=0.5, memory_mb=700, gpu=0.4, gpu_memory_mb=100)], noon + MINUTE
    )
    usage.sample([replace(first, gpu=None)], noon + 2 * MINUTE)
    found = usage.of([lease.id])[lease.id]
    assert (found.sampled_at, found.cpu_now) == (noon + 2 * MINUTE, 1.5)
    assert (found.memory_now_mb, found.memory_peak_mb) == (900, 900)
    assert (found.gpu_now, found.gpu_mean) == (0.4, pytest.approx(0.6))
    assert (found.gpu_memory_now_mb, found.gpu_memory_peak_mb) == (5000, 5000)
    assert (found.oom_kills, found.oom_at, found.busy_at) == (0, None, None)


def test_many_containers_are_sampled_at_once(usage: UsageStore, run: Run, noon: datetime) -> None:
    leases = [run(), run("eve"), run("kim", "oncology", gpu_count=0)]
    usage.sample([Sample(lease_id=a.id, cpu=i, memory_mb=i) for i, a in enumerate(leases)], noon)
    found = usage.of([lease.id for lease in leases])
    assert [found[lease.id].memory_now_mb for lease in leases] == [0, 1, 2]
    assert found[leases[2].id].gpu_now is None


def test_a_sample_of_an_unknown_lease_is_dropped_and_the_others_kept(
    usage: UsageStore, run: Run, noon: datetime
) -> None:
    lease = run()
    usage.sample([Sample(lease_id=i, cpu=1, memory_mb=5) for i in ("gone", lease.id)], noon)
    assert usage.of([lease.id])[lease.id].memory_now_mb == 5
    assert usage.of(["gone"])["gone"].sampled_at is None


def test_a_kill_for_memory_is_kept_with_its_time_and_process(
    usage: UsageStore, run: Run, noon: datetime
) -> None:
    lease = run()
    sample = Sample(lease_id=lease.id, cpu=1, memory_mb=1)
    for kills, process in ((0, None), (1, "python3"), (1, None)):
        usage.sample([replace(sample, oom_kills=kills, oom_process=process)], noon + kills * MINUTE)
    found = usage.of([lease.id])[lease.id]
    assert (found.oom_kills, found.oom_process, found.oom_at) == (1, "python3", noon + MINUTE)


def test_real_use_is_noted_and_never_goes_back(usage: UsageStore, run: Run, noon: datetime) -> None:
    lease = run()
    usage.busy(lease.id, noon + 5 * MINUTE, 2)
    usage.busy(lease.id, noon)
    usage.busy(lease.id, None, 3)
    usage.busy("gone", noon, 1)
    found = usage.of([lease.id])[lease.id]
    assert (found.busy_at, found.kernels) == (noon + 5 * MINUTE, 3)


def test_a_record_says_who_used_what_from_when_to_when_and_why_it_ended(
    usage: UsageStore, ledger: Ledger, run: Run, noon: datetime, at_two: datetime
) -> None:
    lease = run(size="large", module="05_seg", module_version="1.2.0", gpu_count=2)
    ledger.record_start(lease.id, "sha256:12", ["chest/2"])
    sample = Sample(lease_id=lease.id, cpu=1, memory_mb=700, gpu=0.5, gpu_memory_mb=9000)
    usage.sample([sample], noon + MINUTE)
    ledger.release(lease.id, Ended.TIME_UP, noon + 45 * MINUTE)
    [record] = usage.records(noon, at_two)
    assert (record.lease_id, record.username, record.group) == (lease.id, "sam", "radiology")
    assert (record.device_uuids, record.device_models) == (("GPU-0", "GPU-1"), ("Card", "Card"))
    assert (record.size, record.image, record.image_digest) == (
        "large", "radlab/imaging:1", "sha256:12",
    )  # fmt: skip
    assert (record.module, record.module_version) == ("05_seg", "1.2.0")
    assert record.datasets == ("chest/2",)
    assert (record.started_at, record.ended_at) == (noon, noon + 45 * MINUTE)
    assert (record.minutes, record.gpu_hours) == (45, 1.5)
    assert (record.memory_peak_mb, record.gpu_memory_peak_mb) == (700, 9000)
    assert (record.gpu_mean, record.why_ended) == (0.5, Ended.TIME_UP)


def test_an_active_lease_is_recorded_up_to_now(
    usage: UsageStore, run: Run, noon: datetime, at_two: datetime
) -> None:
    run()
    [record] = usage.records(noon, at_two)
    assert (record.ended_at, record.why_ended, record.minutes) == (None, None, 120)


def test_records_are_chosen_by_time_person_and_group(
    usage: UsageStore, run: Run, noon: datetime, at_two: datetime
) -> None:
    run(end=20)
    run("eve", "oncology", start=30)

    def names(since: datetime, **chosen: Any) -> list[str]:
        return [record.username for record in usage.records(since, at_two, **chosen)]

    assert names(noon) == ["sam", "eve"]
    assert names(noon + 20 * MINUTE) == ["eve"]
    assert names(noon, until=noon + 30 * MINUTE) == ["sam"]
    assert names(noon, usernames=["eve"]) == ["eve"]
    assert names(noon, groups=["radiology"]) == ["sam"]
    assert names(noon, groups=[]) == []


def test_a_home_is_known_as_it_was_measured_last(usage: UsageStore, noon: datetime) -> None:
    assert usage.home("sam") is None
    for used_mb in (100, 250):
        usage.homes([HomeUse(username="sam", used_mb=used_mb, measured_at=noon)])
    assert usage.home("sam") == HomeUse(username="sam", used_mb=250, measured_at=noon)
    assert usage.all_homes() == {"sam": usage.home("sam")}


def test_the_audit_says_who_did_what_for_whom_and_why_newest_first(
    audit: AuditStore, run: Run, at_two: datetime
) -> None:
    lease = run()
    first = audit.note("ida", "stop", " class is over ", username="sam", lease_id=lease.id)
    second = audit.note("ada", "extend", "exam", username="kim", detail="30 minutes")
    assert (first.at, first.reason) == (at_two, "class is over")
    assert audit.recent() == [second, first]
    assert audit.recent(1) == [second]


def test_an_act_without_a_reason_is_not_noted(audit: AuditStore) -> None:
    with pytest.raises(rules.NoReason):
        audit.note("ida", "stop", "  ", username="sam")
    assert audit.recent() == []


def test_an_instructor_finds_their_own_acts_and_those_on_their_groups_leases(
    audit: AuditStore, run: Run
) -> None:
    mine, theirs = run(), run("kim", "oncology")
    audit.note("ida", "move up", "ill", username="kim")
    audit.note("ada", "stop", "broken", username="sam", lease_id=mine.id)
    audit.note("ada", "stop", "broken", username="kim", lease_id=theirs.id)
    seen = audit.recent(by="ida", groups=["radiology"])
    assert [entry.username for entry in seen] == ["sam", "kim"]
    assert seen[1].by == "ida"


def test_a_quota_with_too_long_a_reason_stays_as_it_is(
    quotas: QuotaStore, audit: AuditStore
) -> None:
    kept = quotas.change(Kind.PERSON, "sam", {"gpus": 1}, "ada", reason="x" * 500).quota
    with pytest.raises(rules.LongReason):
        quotas.change(Kind.PERSON, "sam", {"gpus": 2}, "ada", reason="x" * 501)
    with pytest.raises(rules.LongReason):
        quotas.remove(Kind.PERSON, "sam", "ada", reason="x" * 501)
    assert quotas.all() == [kept]
    assert len(audit.recent()) == 1


def test_a_quota_that_changes_is_audited(quotas: QuotaStore, audit: AuditStore) -> None:
    quotas.change(Kind.PERSON, "sam", {"gpus": 1, "cpus": 2.5}, "ada", reason="exam")
    quotas.remove(Kind.PERSON, "sam", "ada")
    removed, made = audit.recent()
    assert (made.action, made.username, made.reason) == ("quota", "sam", "exam")
    assert made.detail == "person sam: gpus 1, cpus 2.5"
    assert removed.detail == "person sam: removed"
