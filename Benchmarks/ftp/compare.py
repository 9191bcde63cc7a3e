#!/usr/bin/python3
"""Measures FTP servers side by side.

  compare.py setup                              peers, load generator and data under $FFS_BENCH (/tmp/ffs-bench)
  compare.py run    [--tests T,…] [--contenders NAME,…] [--ffs PROGRAM] [--add SERVER …] [--rounds 7] [--out FILE]
  compare.py memory [--sessions 1000] [--tls] …  memory (PSS) of idle sessions that are signed in

Rounds take the contenders in turn (A B C, B C A, …); figures are medians, ratios are medians of each round's ratio to
the first contender. A server's processor time comes from a cgroup of its own (version 1 or 2). --ffs starts this
project's server (serve_ffs.py); --add NAME:HOST:PORT:USER:PASSWORD:PREFIX:PID[,PID…] takes any server that runs
already, PREFIX being the folder that holds the data made by setup; PID 0 leaves its processor time out.
Needs root, gcc, libssl-dev, openssl, apt-get. Loopback only."""
import argparse
import ftplib
import json
import os
import pathlib
import signal
import ssl
import statistics
import subprocess
import sys
import time

import peers

HERE = pathlib.Path(__file__).resolve().parent
ROOT = pathlib.Path(os.environ.get("FFS_BENCH", "/tmp/ffs-bench"))
DATA, LOAD, GIB = ROOT / "data", ROOT / "ftpload", 2**30

# name: (ftpload's arguments, {p} being the folder; the figure; what it is)
TESTS = {
    "retr1": ("retr -c 1 -n 1 -f {p}big --expect 2147483648", "GiBps", "1 stream, 2 GiB, GiB/s"),
    "retr8": ("retr -c 8 -n 2 -f {p}big256 --expect 268435456", "GiBps", "8 streams, GiB/s"),
    "retr64": ("retr -c 64 -n 1 -f {p}big256 --expect 268435456", "GiBps", "64 streams, GiB/s"),
    "small1": ("retr -c 1 -n 1000 -f {p}s/%d --expect 4096", "per_s", "4 KiB files, 1 session, files/s"),
    "small16": ("retr -c 16 -n 500 -f {p}s/%d --expect 4096", "per_s", "4 KiB files, 16 sessions, files/s"),
    "m1x16": ("retr -c 16 -n 100 -f {p}m1 --expect 1048576", "per_s", "1 MiB files, 16 sessions, files/s"),
    "login": ("login -c 16 -t 2", "per_s", "sign-ins/s, 16 at once"),
    "noop1": ("lat -c 1 -n 10000 -C NOOP", "p50_us", "NOOP p50, 1 session, µs"),
    "noop100": ("lat -c 100 -n 30000 -C NOOP", "per_s", "NOOP, 100 sessions at full speed, per s"),
    "list": ("list -c 1 -n 5 -C LIST -f {p}d10k", "per_s", "LIST of 10,000, per s"),
    "mlsd": ("list -c 1 -n 5 -C MLSD -f {p}d10k", "per_s", "MLSD of 10,000, per s"),
    "tls1": ("retr -c 1 -n 1 -f {p}big --expect 2147483648 --tls --tlsdiscard", "GiBps", "1 stream, GiB/s"),
    "tls8": ("retr -c 8 -n 1 -f {p}big256 --expect 268435456 --tls --tlsdiscard", "GiBps", "8 streams, GiB/s"),
    "tlssmall16": ("retr -c 16 -n 50 -f {p}s/%d --expect 4096 --tls", "per_s", "4 KiB files, 16 sessions, files/s"),
    "hs": ("hs -c 16 -t 2", "per_s", "handshakes/s, full, TLS 1.3"),
    "hsresume": ("hs -c 16 -t 2 --resume", "per_s", "handshakes/s, resumed, TLS 1.3"),
    "tlslogin": ("login -c 16 -t 2 --tls --noprot", "per_s", "sign-ins over TLS/s"),
}
PLAIN = "retr1,retr8,retr64,small1,small16,m1x16,login,noop1,noop100,list,mlsd"
TLS = "tls1,tls8,tlssmall16,hs,hsresume,tlslogin"


def run(*words, **options):
    return subprocess.run([str(word) for word in words], check=True, **options)


def setup():
    for folder in (DATA / "s", DATA / "d10k"):
        folder.mkdir(parents=True, exist_ok=True)
    run("gcc", "-O2", "-pthread", HERE / "ftpload.c", "-o", LOAD, "-lssl", "-lcrypto")
    for name, size in [("big", 2 * GIB), ("big256", 256 << 20), ("m1", 1 << 20)]:
        fill(DATA / name, size)
    for number in range(1000):
        fill(DATA / "s" / str(number), 4096)
    for number in range(10_000):
        (DATA / "d10k" / f"package-{number:05d}-release.tar").touch()
    run("chmod", "-R", "a+rX", DATA)
    ROOT.chmod(0o755)
    peers.install(ROOT)


def fill(path, size):
    if path.exists():
        return
    with open(path, "wb") as file:
        for _ in range(0, size, 1 << 20):
            file.write(os.urandom(min(size, 1 << 20)))


class Group:
    """A control group that counts the processor time of a server's processes, as both versions of cgroups can.

    With version 1 all servers and the load generator also share one group for scheduling, so that none gets an extra
    share for having a login session of its own."""

    GROUPS = pathlib.Path("/sys/fs/cgroup")
    SHARED = GROUPS / "cpu/ffsbench"

    def __init__(self, name):
        self.folder = (self.GROUPS / "cpuacct" if self.is_first() else self.GROUPS) / f"ffsbench-{name}"
        self.folder.mkdir(exist_ok=True)

    @classmethod
    def is_first(cls):
        return (cls.GROUPS / "cpuacct").exists()

    @classmethod
    def share(cls, process):
        if cls.is_first():
            cls.SHARED.mkdir(exist_ok=True)
            (cls.SHARED / "cgroup.procs").write_text(str(process))

    def join(self, process):
        (self.folder / "cgroup.procs").write_text(str(process))
        self.share(process)

    def members(self):
        return [int(word) for word in (self.folder / "cgroup.procs").read_text().split()]

    def seconds(self):
        usage = self.folder / "cpuacct.usage"
        if usage.exists():
            return int(usage.read_text()) / 1e9
        return int((self.folder / "cpu.stat").read_text().split()[1]) / 1e6


class Contender:
    def __init__(self, name, host, port, user, password, prefix="", processes=(), start=None):
        self.name, self.host, self.port, self.user, self.password = name, host, port, user, password
        self.prefix, self.processes, self.start_command, self.process = prefix, processes, start, None
        self.group = Group(name)

    @classmethod
    def from_text(cls, text, name=None):
        given, host, port, user, password, prefix, processes = text.strip().split(":", 6)
        numbers = [int(number) for number in processes.split(",") if number != "0"]
        return cls(name or given, host, int(port), user, password, prefix, numbers)

    @classmethod
    def peer(cls, name):
        return cls(name, "127.0.0.1", peers.PORTS[name], "anonymous", "x@y", start=peers.command(name, ROOT))

    def start(self):
        for process in self.processes:
            self.group.join(process)
        if self.start_command is None:
            return
        log = open(ROOT / f"{self.name}.log", "wb")
        self.process = subprocess.Popen(
            self.start_command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            preexec_fn=lambda: self.group.join(os.getpid()))
        peers.await_port(self.host, self.port, ROOT / f"{self.name}.log")

    def stop(self):
        for how in (signal.SIGTERM, signal.SIGKILL) if self.process else ():
            for member in self.group.members():
                try:
                    os.kill(member, how)
                except ProcessLookupError:
                    pass
            time.sleep(0.3)

    def serves(self, arguments):
        """Whether it passes a control transfer; says why not."""
        tls = self.name.endswith("-tls") or any("--tls" in TESTS[test][0] for test in arguments.tests.split(","))
        fault = control_fault(self.host, self.port, self.user, self.password, self.prefix, tls)
        if fault:
            print(f"{self.name} is left out, as it fails a control transfer: {fault}", flush=True)
            self.stop()
        return fault is None

    def words(self, arguments):
        return [str(LOAD), *arguments.format(p=self.prefix).split(), "-h", self.host, "-p", str(self.port),
                "-u", self.user, "-P", self.password]

    def load(self, arguments):
        """One run of the load generator: its figures, with the server's processor seconds as `cpu`."""
        before = self.group.seconds()
        done = subprocess.run(self.words(arguments), capture_output=True, text=True, timeout=300)
        try:
            figures = json.loads(done.stdout)
        except ValueError:
            return {"error": done.stderr[-200:] or "no figure"}
        figures["cpu"] = self.group.seconds() - before
        if done.returncode:
            figures["error"] = done.stderr[-200:].strip()
        return figures

    def memory(self):
        """Proportional set size of all its processes, KiB."""
        total = 0
        for member in self.group.members():
            try:
                lines = pathlib.Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total


class ResumingTLS(ftplib.FTP_TLS):
    """Data connections resume the control connection's session, which some servers demand."""

    def ntransfercmd(self, command, rest=None):
        data, size = ftplib.FTP.ntransfercmd(self, command, rest)
        return self.context.wrap_socket(data, session=self.sock.session), size


def control_fault(host, port, user, password, prefix, tls):
    """Why a server cannot be measured: it fails a file of 1 MiB or a listing of 10,000 names; None when it can. A server that
    refuses quickly would otherwise look like a quick one."""
    client = ftplib.FTP(timeout=60)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client = ResumingTLS(timeout=60, context=context)
    sizes, names, what = [], [], "sign-in"
    try:
        client.connect(host, port)
        client.login(user, password)
        if tls:
            client.prot_p()
        what = f"RETR {prefix}m1"
        client.retrbinary(what, lambda data: sizes.append(len(data)))
        what = f"LIST {prefix}d10k"
        client.retrlines(what, names.append)
        client.quit()
    except (OSError, EOFError, ftplib.Error) as error:
        return f"{what}: {error}"
    if sum(sizes) != 1 << 20:
        return f"RETR {prefix}m1 sent {sum(sizes):,} bytes, not 1,048,576"
    return None if len(names) >= 10_000 else f"LIST {prefix}d10k showed {len(names):,} names, not 10,000"


def median(values):
    return statistics.median(values) if values else float("nan")


def measure(test, contenders, rounds, out):
    arguments, key, _ = TESTS[test]
    results = {contender.name: [] for contender in contenders}
    for turn in range(rounds):
        shift = turn % len(contenders)
        for contender in contenders[shift:] + contenders[:shift]:
            figures = contender.load(arguments)
            results[contender.name].append(figures)
            if out:
                out.write(json.dumps(figures | {"test": test, "name": contender.name, "round": turn}) + "\n")
                out.flush()
    first = results[contenders[0].name]
    print(f"\n{test}: {TESTS[test][2]} (ftpload {arguments.format(p='')}), {rounds} rounds")
    for contender in contenders:
        good = [figures for figures in results[contender.name] if "error" not in figures]
        failed = rounds - len(good)
        values = [figures[key] for figures in good]
        ratio = median([mine[key] / base[key] for mine, base in zip(results[contender.name], first)
                        if base.get(key) and key in mine])
        spread = f"{min(values):,.2f}–{max(values):,.2f}" if values else "-"
        work = {"GiBps": ("s/GiB", lambda f: f["bytes"] / GIB), "per_s": ("s/op", lambda f: f.get("done", f["n"])),
                "p50_us": ("s/op", lambda f: f["n"])}[key]
        cpu = median([figures["cpu"] / max(work[1](figures), 1e-9) for figures in good])
        print(f"  {contender.name:14} {median(values):12,.2f}  [{spread}]  × {ratio:5.2f}  cpu {cpu:.3g} {work[0]}"
              + (f"  {failed} rounds failed" if failed else ""), flush=True)


def measure_memory(arguments, contenders):
    for contender in contenders:
        contender.load("login -c 2 -t 0.5")
        time.sleep(0.7)
        before = contender.memory()
        words = contender.words(f"hold -c {arguments.sessions}")
        if arguments.tls or contender.name.endswith("-tls"):
            words.append("--tls")
        holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        held = json.loads(holder.stdout.readline() or '{"held": 0}')["held"]
        time.sleep(1)
        full = contender.memory()
        holder.stdin.close()
        holder.wait()
        print(f"{contender.name:14} {held} sessions: {(full - before) / max(held, 1):.2f} KiB each (PSS)", flush=True)


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["setup", "run", "memory"])
    parser.add_argument("--tests", default=PLAIN, help=f"of {', '.join(TESTS)}; `plain` and `tls` name the two tables")
    parser.add_argument("--contenders", default=None, help=f"of {', '.join(peers.PORTS)}")
    parser.add_argument("--ffs", metavar="PROGRAM", help=".build/release/ffsftpd")
    parser.add_argument("--add", action="append", default=[], metavar="SERVER")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", help="every run as a line of JSON is appended here")
    parser.add_argument("--sessions", type=int, default=1_000)
    parser.add_argument("--tls", action="store_true", help="memory: of sessions over TLS")
    arguments = parser.parse_args()
    arguments.tests = {"plain": PLAIN, "tls": TLS}.get(arguments.tests, arguments.tests)
    if arguments.contenders is None:
        over_tls = arguments.tests == TLS or arguments.tls
        arguments.contenders = ",".join(name for name in peers.PORTS if name.endswith("-tls") == over_tls)
    return arguments


def main():
    arguments = options()
    if arguments.what == "setup":
        return setup()
    Group.share(os.getpid())
    contenders = [Contender.peer(name) for name in arguments.contenders.split(",") if name]
    contenders += [Contender.from_text(text) for text in arguments.add]
    server = None
    if arguments.ffs:
        server = subprocess.Popen(
            [HERE / "serve_ffs.py", arguments.ffs, DATA, ROOT / "ffs"], stdout=subprocess.PIPE, text=True)
        contenders.append(Contender.from_text(server.stdout.readline()))
    started = contenders
    try:
        for contender in contenders:
            contender.start()
        contenders = [contender for contender in contenders if contender.serves(arguments)]
        if not contenders:
            sys.exit("no server is left to measure")
        if arguments.what == "memory":
            return measure_memory(arguments, contenders)
        with open(arguments.out or os.devnull, "a") as out:
            for test in arguments.tests.split(","):
                measure(test, contenders, arguments.rounds, out)
    finally:
        for contender in started:
            contender.stop()
        if server:
            server.terminate()


if __name__ == "__main__":
    sys.exit(main())
