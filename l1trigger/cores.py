"""What this machine gives to a process."""

from __future__ import annotations


def cores() -> int:
    """Processor cores that this process may use, at least 1.

    Fewer than the machine has where an affinity mask, a container's quota (cgroups) or the variable
    ``LOKY_MAX_CPU_COUNT`` says so.
    """
    from joblib import cpu_count  # a package of 0.1 s, needed only where work is divided

    return int(cpu_count())
