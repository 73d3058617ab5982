"""A control group that limits memory as a pod's limit does, by either kernel interface."""

import contextlib
import uuid
from pathlib import Path

V1 = Path("/sys/fs/cgroup/memory")


def _unified():
    """Where the second version's tree is mounted, if anywhere."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, path, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(path)
    return None


class MemoryCgroup:
    """A group of its own below the root, without swap; root makes it."""

    def __init__(self, limit):
        name = f"claude-proxy-{uuid.uuid4().hex[:12]}"
        self.is_v1 = Path(V1, "memory.limit_in_bytes").exists()
        if self.is_v1:
            self.path = V1 / name
            self.path.mkdir()
            self._set("memory.limit_in_bytes", limit)
            with contextlib.suppress(OSError):  # kernels without swap accounting
                self._set("memory.memsw.limit_in_bytes", limit)
            self._set("memory.swappiness", 0)
            # the second version counts what sockets hold; this has the first count it
            self._set("memory.kmem.tcp.limit_in_bytes", limit)
            return
        root = _unified()
        if root is None or "memory" not in Path(root, "cgroup.controllers").read_text():
            raise OSError("no memory controller")
        Path(root, "cgroup.subtree_control").write_text("+memory")
        self.path = root / name
        self.path.mkdir()
        self._set("memory.max", limit)
        with contextlib.suppress(OSError):
            self._set("memory.swap.max", 0)

    def _set(self, file, value):
        Path(self.path, file).write_text(str(value))

    @property
    def joining(self):
        """Python code by which a process joins."""
        procs = str(self.path / "cgroup.procs")
        return f"import os\nopen({procs!r}, 'w').write(str(os.getpid()))\n"

    @property
    def peak(self):
        """Bytes that the group has held at most, the buffers of its sockets included."""
        if not self.is_v1:
            return self._count("memory.peak")
        memory = self._count("memory.max_usage_in_bytes")
        return memory + self._count("memory.kmem.tcp.max_usage_in_bytes")

    def _count(self, file):
        return int(Path(self.path, file).read_text())

    @property
    def kills(self):
        """Processes that were killed because there was no more memory."""
        file = "memory.oom_control" if self.is_v1 else "memory.events"
        for line in Path(self.path, file).read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
        raise OSError("the kernel does not count its kills")

    def remove(self):
        """Remove it; its processes must have ended."""
        self.path.rmdir()
