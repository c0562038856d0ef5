"""A memory cgroup of a test's own, where it may make one."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from support import wait_for


class Group:
    """A memory cgroup of our own: version 2, or version 1."""

    def __init__(self, limit_mib):
        self.path = None
        for root, limit, peak in ((("/sys/fs/cgroup", "memory.max", "memory.peak"),
                                   ("/sys/fs/cgroup/unified", "memory.max", "memory.peak"),
                                   ("/sys/fs/cgroup/memory", "memory.limit_in_bytes",
                                    "memory.max_usage_in_bytes"))):
            path = pathlib.Path(root) / f"spanring-test-{os.getpid()}"
            try:
                path.mkdir()
            except OSError:
                continue
            if not (path / limit).exists():
                path.rmdir()
                continue
            (path / limit).write_text(str(limit_mib << 20))
            self.path, self.peak_name = path, peak
            return

    def remove(self):
        wait_for(lambda: not (self.path / "cgroup.procs").read_text(), "the group's end")
        self.path.rmdir()

    @property
    def join(self):
        """The words in front of a command that make it a member."""
        return ("sh", "-c", f"echo $$ > {self.path}/cgroup.procs && exec \"$@\"", "sh")

    def peak(self):
        return int((self.path / self.peak_name).read_text())

    def shared(self):
        """Bytes of tmpfs that the group pays for: its ring."""
        return next(int(line.split()[1])
                    for line in (self.path / "memory.stat").read_text().splitlines()
                    if line.split()[0] == "shmem")
