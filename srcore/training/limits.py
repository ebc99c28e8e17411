"""What a container lets this process have: memory and CPU cores, by its control groups, where there are some."""

import os
from collections.abc import Iterator
from math import ceil
from pathlib import Path

_ROOT, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def memory_bytes(root: Path = _ROOT, own: Path = _OWN) -> int:
    """Bytes of memory: the machine's, or the least that a control group around this process allows."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for group in _groups(root, own):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _text(group / name)
            if text.isdigit():
                sizes.append(int(text))
    return min(sizes)


def cpu_cores(root: Path = _ROOT, own: Path = _OWN) -> int:
    """Cores: those this process may run on, or as many as a control group's share of time is worth, rounded up."""
    affinity = getattr(os, "sched_getaffinity", None)
    counts = [len(affinity(0)) if affinity else os.cpu_count() or 1]
    for group in _groups(root, own):
        quota, period = [*_text(group / "cpu.max").split(), "", ""][:2]
        if not quota:
            quota, period = _text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period):
            counts.append(max(1, ceil(int(quota) / int(period))))
    return min(counts)


def _groups(root: Path, own: Path) -> Iterator[Path]:
    """The folders of this process's control groups and of those around them, of version 2 and 1."""
    for line in _text(own).splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        bases = [root, *(root / name for name in controllers.split(",") if name)]
        inner = Path(path.lstrip("/"))
        for base in bases:
            yield from (base / part for part in (inner, *inner.parents))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
