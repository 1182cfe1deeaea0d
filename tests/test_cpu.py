"""Cores that are idle: what others use now does not count, what this process did before does."""

from __future__ import annotations

import os

import pytest

from transferkit import cpu


@pytest.fixture
def stat(monkeypatch):
    """Makes the system tell what each of two cores did, before and after the look."""
    monkeypatch.setattr(cpu, "available_cores", lambda: 2)
    monkeypatch.setattr(cpu.time, "sleep", lambda seconds: None)

    def tell(*idle: int):
        looks = iter([[(0, 0), (0, 0)], [(one, 10) for one in idle]])
        monkeypatch.setattr(cpu, "_ticks", lambda: next(looks))

    return tell


@pytest.mark.parametrize(
    ("idle", "cores"), [((10, 10), 2), ((10, 0), 1), ((0, 0), 1), ((6, 5), 1), ((9, 8), 2)]
)
def test_what_nothing_uses_now(stat, idle, cores):
    stat(*idle)
    assert cpu.idle_cores() == cores


def test_the_load_average_counts_where_the_system_tells_no_more(monkeypatch):
    monkeypatch.setattr(cpu, "_ticks", lambda: None)
    monkeypatch.setattr(cpu, "available_cores", lambda: 4)
    monkeypatch.setattr(os, "getloadavg", lambda: (2.7, 0, 0))
    assert cpu.idle_cores() == 2


@pytest.mark.skipif(not os.path.exists("/proc/stat"), reason="the system keeps no count of each core")
def test_each_core_of_this_process_tells_its_ticks():
    ticks = cpu._ticks()
    assert len(ticks) == cpu.available_cores()
    assert all(0 <= waited <= every for waited, every in ticks)
    assert 1 <= cpu.idle_cores() <= cpu.available_cores()
