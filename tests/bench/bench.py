#!/usr/bin/env python3
"""Compares HTTP proxies (OpenAI chat completions in, Anthropic messages out) in one run.

Every contestant is started once, then each round drives every scenario against every contestant in
turn, so that noise from other work on the machine falls on all alike. Costs are CPU seconds of the
contestant's process tree (/proc/PID/stat) per request or per delta. The table shows medians over
the rounds (lowest-highest in brackets); ratios are medians of the per-round ratios to the reference
contestant, and, under "min", the ratio of the lowest costs of both. See README.md.

A contestant may be named NAME@REVISION (claude-proxy@cd87eaf): the table NAME, run from that
revision of this repository, with the packages of that revision's own lock file.
"""
import argparse, collections, json, os, re, shlex, signal, socket, statistics, subprocess, sys, time
import tempfile, tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / ".cache" / "bench"  # where make puts the two programs; not in git
TICK = os.sysconf("SC_CLK_TCK")
CGROUP = Path("/sys/fs/cgroup")
UPSTREAM_PORT = int(os.environ.get("BENCH_PORT", 28600))

Scenario = collections.namedtuple("Scenario", "model body conns how expect")
SCENARIOS = {  # how: load's arguments for the length of the run; expect: deltas per stream
    "small-c1": Scenario("small", "short", 1, "-d {d}", None),
    "small-c16": Scenario("small", "short", 16, "-d {d}", None),
    "small-c64": Scenario("small", "short", 64, "-d {d}", None),
    "tool-c16": Scenario("tool", "agent", 16, "-d {d}", None),      # 40 KB request, tool call answer
    "large-c4": Scenario("large", "short", 4, "-d {d}", None),      # 200 KB answer
    "wait-c64": Scenario("smallw500", "short", 64, "-d {d}", None),  # upstream thinks for 500 ms
    "blast-c4": Scenario("s500d0", "stream", 4, "-d {d}", 500),     # 500 deltas at once
    "toolblast-c4": Scenario("t500d0", "stream", 4, "-d {d}", 500),
    "first-c1": Scenario("s3d0", "stream", 1, "-d {d}", 3),         # a very short stream: time to first delta
    "token-c1": Scenario("s50d10000", "stream", 1, "-d {d}", 50),   # a delta each 10 ms
    "token-c16": Scenario("s50d20000", "stream", 16, "-d {d}", 50),
    "hold-c100": Scenario("s60d100000", "stream", 100, "-n 100 -s 1000", 60),
    "hold-c250": Scenario("s60d100000", "stream", 250, "-n 250 -s 2000", 60),
    "hold-c500": Scenario("s60d100000", "stream", 500, "-n 500 -s 3000", 60),  # a delta each 100 ms
}
WARM = {"small": 1, "tool": 0.3, "large": 0.1, "blast": 0.05, "toolblast": 0.02, "first": 0.5}  # share of --warm by kind of scenario


def request_body(kind, model, drop=()):
    """short: one question; stream: the same, streamed; agent: 30 messages with tool calls, 12 tools."""
    ask = {"role": "user", "content": "What is the weather like in Paris today? Answer in one sentence, please."}
    body = {"model": f"bench-{model}", "messages": [{"role": "system", "content": "You are a helpful assistant."}, ask],
            "max_tokens": 1024, "temperature": 0.7}
    if kind == "stream":
        body.update(stream=True, stream_options={"include_usage": True})
    if kind == "agent":
        for i in range(10):
            body["messages"] += [
                {"role": "assistant", "content": "Let me look that up.", "tool_calls": [
                    {"id": f"toolu_{i:024d}", "type": "function",
                     "function": {"name": f"tool_{i}", "arguments": json.dumps({"city": "Paris", "days": i, "note": "x" * 200})}}]},
                {"role": "tool", "tool_call_id": f"toolu_{i:024d}", "content": "Result line with some text in it.\n" * 60},
                {"role": "user", "content": f"Thanks. Go on with step {i}: " + "more words " * 40}]
        body["tools"] = [{"type": "function", "function": {
            "name": f"tool_{i}", "description": "Looks something up for you. " * 8,
            "parameters": {"type": "object", "required": ["city"], "properties": {
                "city": {"type": "string", "description": "The city"}, "days": {"type": "integer", "minimum": 1},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}, "note": {"type": "string"}}}}} for i in range(12)]
    return json.dumps({k: v for k, v in body.items() if k not in drop}).encode()


def as_responses(body):
    """The same request for the Responses API."""
    chat = json.loads(body)
    system, *messages = chat.pop("messages")
    calls = lambda m: [{"type": "function_call", "call_id": c["id"], **c["function"]} for c in m.get("tool_calls", ())]
    output = lambda m: {"type": "function_call_output", "call_id": m["tool_call_id"], "output": m["content"]}
    tools = {"tools": [{"type": "function", **t["function"]} for t in chat.pop("tools")]} if "tools" in chat else {}
    chat.pop("stream_options", None)
    chat["max_output_tokens"] = chat.pop("max_tokens")
    items = [i for m in messages for i in ([output(m)] if m["role"] == "tool" else [{"role": m["role"], "content": m["content"]}, *calls(m)])]
    return json.dumps({**chat, "instructions": system["content"], "input": items, **tools}).encode()


# ---- processes
def tree(pid):
    """The process and all its descendants."""
    children = collections.defaultdict(list)
    for p in Path("/proc").glob("[0-9]*/stat"):
        try:
            ppid = int(p.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children[ppid].append(int(p.parent.name))
    found, todo = [], [pid]
    while todo:
        p = todo.pop()
        found.append(p)
        todo += children[p]
    return found


def cpu(pid):
    total = 0
    for p in tree(pid):
        try:
            f = Path(f"/proc/{p}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, f[11:15]))  # own and reaped children's user and system time
    return total / TICK


def memory(pid):
    """(RSS, PSS) of the tree in MiB; PSS counts a page shared by n processes 1/n times."""
    rss = pss = 0
    for p in tree(pid):
        try:
            text = Path(f"/proc/{p}/smaps_rollup").read_text()
        except OSError:
            continue
        rss += int(re.search(r"^Rss:\s+(\d+)", text, re.M)[1])
        pss += int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])
    return rss / 1024, pss / 1024


def threads(pid):
    return sum(len(os.listdir(f"/proc/{p}/task")) for p in tree(pid) if os.path.exists(f"/proc/{p}/task"))


class Proc:
    def __init__(self, cmd, env=None, cwd=None, log=None, cores=None, cgroup=None):
        def child():
            os.setsid()
            if cores:
                os.sched_setaffinity(0, cores)
            for g in cgroup or ():
                (g / "cgroup.procs").write_text(str(os.getpid()))
        self.p = subprocess.Popen(cmd, env={**os.environ, **(env or {})}, cwd=cwd, stdin=subprocess.DEVNULL,
                                  stdout=log or subprocess.DEVNULL, stderr=subprocess.STDOUT, preexec_fn=child)
        self.pid = self.p.pid

    def stop(self):
        for sig, wait in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
            for p in tree(self.pid):
                try:
                    os.kill(p, sig)
                except ProcessLookupError:
                    pass
            try:
                self.p.wait(wait)
                return
            except subprocess.TimeoutExpired:
                pass


def healthy(port, path, headers=""):
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as s:
            s.settimeout(10)
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Connection: close\r\n\r\n".encode())
            return s.recv(64).split(b" ", 2)[1] == b"200"
    except (OSError, IndexError):
        return False


def free_port(port):
    """The first port from there on that nothing listens on."""
    while True:
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                port += 1


def checkout(rev):
    """(folder, python) of a revision of this repository: a worktree and an environment, made once."""
    git = lambda *a: subprocess.run(["git", "-C", ROOT, *a], check=True, capture_output=True, text=True).stdout.strip()
    commit = git("rev-parse", "--short=12", f"{rev}^{{commit}}")
    tree, env = BUILD / "revisions" / commit, BUILD / "environments" / commit
    if not tree.exists():
        git("worktree", "add", "--detach", str(tree), commit)
    if not (env / "ready").exists():
        print(f"installing {commit} ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", env], check=True)
        subprocess.run([env / "bin/pip", "install", "-q", "--require-hashes", "-r", tree / "proxy/requirements.lock"], check=True)
        (env / "ready").touch()
    subprocess.run([env / "bin/python", "-m", "compileall", "-q", env / "lib", tree / "proxy"], check=False)
    return tree, env / "bin/python"


def limits(name, quota, mem):
    """cgroups (v1) for one contestant: CPU quota in cores, memory in MiB."""
    groups = []
    for ctl, key, value in (("cpu", "cpu.cfs_quota_us", quota and int(quota * 100000)), ("memory", "memory.limit_in_bytes", mem and mem << 20)):
        if value:
            g = CGROUP / ctl / f"bench-{os.getpid()}-{name}"
            g.mkdir()
            (g / key).write_text(str(value))
            groups.append(g)
    return groups


class Contestant:
    def __init__(self, name, spec, port, args, tmp):
        self.name, self.port, self.spec = name, port, spec
        self.path = spec.get("path", "/v1/chat/completions")
        self.headers = spec.get("headers", [])
        self.start, self.proc, self.groups = None, None, []
        if "cmd" not in spec:  # straight to the upstream
            self.port = UPSTREAM_PORT
            return
        root, python = checkout(name.partition("@")[2]) if "@" in name else (ROOT, sys.executable)
        sub = {"port": port, "upstream": UPSTREAM_PORT, "here": HERE, "tmp": tmp, "name": name, "root": root, "python": python, "peers": os.environ.get("PEERS", "peers")}
        fill = lambda s: re.sub(r"\{(\w+)\}", lambda m: str(sub.get(m[1], m[0])), s)
        if "config" in spec:
            Path(tmp, spec.get("conf_name", f"{name}.conf")).write_text(fill(spec["config"]))
        self.headers = [fill(h) for h in self.headers]
        self.groups = limits(name, args.quota, args.mem)
        t = time.monotonic()
        self.proc = Proc(shlex.split(fill(spec["cmd"])), {k: fill(v) for k, v in spec.get("env", {}).items()}, spec.get("cwd", root),
                         open(Path(tmp, f"{name}.log"), "wb"), args.cores, self.groups)
        ready = spec.get("ready", "/health")
        try:
            while not healthy(port, ready):
                if self.proc.p.poll() is not None or time.monotonic() - t > 900:
                    raise RuntimeError(f"{name} did not start: {Path(tmp, f'{name}.log')}")
                time.sleep(0.003)
        except BaseException:  # SIGTERM too
            self.proc.stop()
            raise
        self.start = time.monotonic() - t
        time.sleep(0.5)
        self.start_cpu = cpu(self.proc.pid)
        self.idle = memory(self.proc.pid)

    def load(self, scenario, duration, tmp, cores, how=None):
        s = SCENARIOS[scenario]
        body = Path(tmp, f"{self.name}-{scenario}.json")
        asked = request_body(s.body, s.model, self.spec.get("drop", []))
        body.write_bytes(as_responses(asked) if self.spec.get("api") == "responses" else asked)
        cmd = [str(BUILD / "load"), "-c", str(s.conns), *(how or s.how.format(d=duration)).split()]
        if s.expect is not None:
            # how often a delta's text is in a stream: this API's ends repeat it
            times = self.spec.get("repeats", {}).get("tool" if s.model[0] == "t" else "text", 1)
            cmd += ["-e", str(s.expect * times)]
        for h in self.headers:
            cmd += ["-H", h]
        before = cpu(self.proc.pid) if self.proc else 0
        peak = (0, 0)
        p = subprocess.Popen(cmd + [f"127.0.0.1:{self.port}{self.path}", str(body)], stdout=subprocess.PIPE,
                             preexec_fn=lambda: cores and os.sched_setaffinity(0, cores))
        if self.proc and scenario.startswith("hold"):
            while p.poll() is None:
                peak = max(peak, memory(self.proc.pid), key=lambda m: m[1])
                time.sleep(0.7)
        r = json.loads(p.communicate()[0])
        used = cpu(self.proc.pid) - before if self.proc else 0
        good = max(1, r["done"] - r["errors"])
        r["cpu_us"] = used * 1e6 / good
        r["cpu_us_delta"] = r["cpu_us"] / s.expect if s.expect else 0
        r["cpu_share"] = used / r["secs"]
        r["rss"], r["pss"] = peak if peak[0] else memory(self.proc.pid) if self.proc else (0, 0)
        r["threads"] = threads(self.proc.pid) if self.proc else 0
        return r

    def stop(self):
        if self.proc:
            self.proc.stop()
        time.sleep(0.2)
        for g in self.groups:
            try:
                g.rmdir()
            except OSError:
                pass


# ---- report
METRICS = {  # column: (title, format, function of load's result)
    "rps": ("req/s", "{:.0f}", lambda r: r["rps"]),
    "cpu": ("CPU us/req", "{:.0f}", lambda r: r["cpu_us"]),
    "p50": ("p50 ms", "{:.2f}", lambda r: r["lat"]["p50"] / 1e3),
    "p99": ("p99 ms", "{:.2f}", lambda r: r["lat"]["p99"] / 1e3),
    "dps": ("deltas/s", "{:.0f}", lambda r: r["deltas_per_s"]),
    "dcpu": ("CPU us/delta", "{:.2f}", lambda r: r["cpu_us_delta"]),
    "ttft": ("TTFT p50 ms", "{:.2f}", lambda r: r["ttft"]["p50"] / 1e3),
    "lag": ("lag p50 ms", "{:.2f}", lambda r: r["lag"]["p50"] / 1e3),
    "lag99": ("lag p99 ms", "{:.2f}", lambda r: r["lag"]["p99"] / 1e3),
    "pss": ("PSS MiB", "{:.0f}", lambda r: r["pss"]),
    "err": ("errors", "{:.0f}", lambda r: r["errors"] + r["hung"]),
}
COLUMNS = {"small": "rps cpu p50 p99 pss err", "tool": "rps cpu p50 p99 pss err", "large": "rps cpu p50 p99 pss err", "wait": "rps cpu p50 p99 pss err",
           "blast": "rps dps cpu dcpu ttft pss err", "toolblast": "rps dps cpu dcpu ttft pss err", "token": "ttft lag lag99 cpu dcpu pss err", "first": "rps ttft cpu pss err", "hold": "ttft lag lag99 dcpu pss err"}
RATIO = {"small": "cpu", "tool": "cpu", "large": "cpu", "wait": "cpu", "blast": "cpu", "toolblast": "cpu", "token": "cpu", "first": "cpu", "hold": "dcpu"}


def report(results, contestants, scenarios, refs, out):
    def runs(name, sc):
        return [r for r in results if r["name"] == name and r["scenario"] == sc]
    print("| contestant | start s | start CPU s | idle RSS MiB | idle PSS MiB |\n|---|---|---|---|---|", file=out)
    for c in contestants:
        if c.proc:
            print(f"| {c.name} | {c.start:.2f} | {c.start_cpu:.2f} | {c.idle[0]:.0f} | {c.idle[1]:.0f} |", file=out)
    for sc in scenarios:
        kind = sc.split("-")[0]
        cols = COLUMNS[kind].split()
        key = METRICS[RATIO[kind]][2]
        used = [r for r in refs if runs(r, sc)]
        print(f"\n**{sc}**: {SCENARIOS[sc].conns} connections\n\n| contestant | " + " | ".join(METRICS[c][0] for c in cols) + "".join(f" | CPU / {r} | min" for r in used) + " |\n" + "|---" * (len(cols) + 1 + 2 * len(used)) + "|", file=out)
        for c in contestants:
            rs = runs(c.name, sc)
            if not rs:
                continue
            cells = []
            for col in cols:
                _, fmt, get = METRICS[col]
                v = [get(r) for r in rs]
                med = fmt.format(statistics.median(v))
                cells.append(f"{med} ({fmt.format(min(v))}-{fmt.format(max(v))})" if len(v) > 2 and col in ("rps", "cpu", "dcpu", "ttft", "lag") else med)
            for ref in used:
                q = [key(r) / key(o) for r in rs for o in runs(ref, sc) if o["round"] == r["round"] and key(o)]
                best = min(map(key, runs(ref, sc)))
                cells += [f"{statistics.median(q):.2f}", f"{min(map(key, rs)) / best:.2f}"] if q and best and c.proc else ["-", "-"]
            print(f"| {c.name} | " + " | ".join(cells) + " |", file=out)
            bad = next((r["error"] for r in rs if r["error"]), None)
            if bad:
                print(f"  {c.name}: {bad[:160]}", file=sys.stderr)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("contestants", nargs="*", help="names from the file (default: nginx and claude-proxy)")
    ap.add_argument("--rev", help="a revision of this repository: claude-proxy@REV joins and becomes a reference")
    ap.add_argument("-f", "--file", action="append", help="TOML file of contestants (may be repeated)")
    ap.add_argument("-s", "--scenarios", default="small-c1,small-c16,tool-c16,blast-c4,first-c1,token-c16,hold-c500")
    ap.add_argument("-r", "--rounds", type=int, default=4)
    ap.add_argument("-d", "--duration", type=float, default=2)
    ap.add_argument("-w", "--warm", type=int, default=2000, help="requests before a contestant's first measurement")
    ap.add_argument("--ref", default="nginx", help="reference contestants for the ratio columns")
    ap.add_argument("--pin", action="store_true", help="contestants on core 0, load and upstream on core 1")
    ap.add_argument("--quota", type=float, help="CPU limit of each contestant, in cores (cgroup v1, root)")
    ap.add_argument("--mem", type=int, help="memory limit of each contestant, in MiB (cgroup v1, root)")
    ap.add_argument("--fresh", action="store_true", help="start each contestant for its own runs only (one at a time)")
    ap.add_argument("-o", "--out", help="write results (JSON lines) and table (.md) under this name")
    args = ap.parse_args()
    specs = {}
    for f in args.file or [HERE / "contestants.toml"]:
        specs |= tomllib.loads(Path(f).read_text())
    names = args.contestants or ["nginx", "claude-proxy"]
    if args.rev:
        names.append(f"claude-proxy@{args.rev}")
        args.ref = f"{args.ref},{names[-1]}"
    scenarios = args.scenarios.split(",")
    args.cores, cores = ({0}, {1}) if args.pin else (None, None)
    tmp = Path(tempfile.mkdtemp(prefix="bench-"))
    if free_port(UPSTREAM_PORT) != UPSTREAM_PORT:
        sys.exit(f"port {UPSTREAM_PORT} is taken; set BENCH_PORT")
    subprocess.run(["make", "-s", "-C", HERE], check=True)
    subprocess.run([sys.executable, "-m", "compileall", "-q", ROOT / "proxy"], check=True)
    up = Proc([str(BUILD / "upstream"), str(UPSTREAM_PORT)], cores=cores)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the contestants are stopped
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # contestants may use compiled modules
    running, seen, results, warm = [], {}, [], set()
    sink = open(args.out + ".jsonl", "a") if args.out else None

    def launch(name):
        try:
            c = Contestant(name, specs[name.partition("@")[0]], free_port(UPSTREAM_PORT + 100 + 10 * names.index(name)), args, tmp)
        except RuntimeError as e:
            print(e, file=sys.stderr)
            return None
        running.append(c)
        seen.setdefault(name, c)
        return c

    def drive(c, sc, rnd):
        skip = c.spec.get("skip", [])
        if any(sc.startswith(s) for s in skip):
            return
        kind = sc.split("-")[0]
        if (c.name, kind) not in warm:  # just-in-time compilers need thousands of requests
            warm.add((c.name, kind))
            if n := int(args.warm * WARM.get(kind, 0)):
                c.load(sc, 0, tmp, cores, f"-n {n}")
        r = c.load(sc, args.duration, tmp, cores)
        r.update(name=c.name, scenario=sc, round=rnd, load1=os.getloadavg()[0])
        results.append(r)
        if sink:
            sink.write(json.dumps(r) + "\n")
            sink.flush()
        print(f"{rnd} {sc:12} {c.name:24} {r['rps']:9.1f}/s {r['cpu_us']:9.1f} us {r['lat']['p50'] / 1e3:9.2f} ms p50 ttft {r['ttft']['p50'] / 1e3:7.2f} lag {r['lag']['p50'] / 1e3:6.2f}/{r['lag']['p99'] / 1e3:.2f} pss {r['pss']:.0f} err {r['errors'] + r['hung']} load {r['load1']:.1f}", file=sys.stderr)

    try:
        time.sleep(0.2)
        if args.fresh:
            for rnd in range(args.rounds):
                for name in names:
                    c = launch(name)
                    if c:
                        warm.clear()
                        for sc in scenarios:
                            drive(c, sc, rnd)
                        c.stop()
                        running.remove(c)
        else:
            for name in names:
                launch(name)
            for rnd in range(args.rounds):
                for sc in scenarios:
                    for c in running:
                        drive(c, sc, rnd)
    finally:
        for c in running:
            c.stop()
        up.stop()
        report(results, list(seen.values()), scenarios, args.ref.split(","), sys.stdout)
        if args.out:
            with open(args.out + ".md", "a") as f:
                report(results, list(seen.values()), scenarios, args.ref.split(","), f)
    if len(seen) < len(names) or any(r["errors"] + r["hung"] or not r["done"] for r in results):
        sys.exit("something failed: see the errors column")


if __name__ == "__main__":
    main()
