#!/usr/bin/python3
"""Supervisor and workers: what they may do, what bytes cost, restarts, operators, logs. `ftp_engine.py CASE` runs one row.

The daemon runs already; FFS_… variables say where (ftp_wire.py)."""
import contextlib
import hashlib
import json
import os
import re
import resource
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import zlib

from ftp_wire import *

def begin(client, command, session=True):
    """The data connection of a transfer that has begun."""
    data = client.open_data()
    client.raw(command.encode() + b"\r\n")
    assert client.reply().startswith("150")
    if client.is_protected:
        data = client.context.wrap_socket(data, session=client.sock.session if session else None)
    return data


@contextlib.contextmanager
def traced(calls):
    """strace(1) of all workers; the lines are in the list afterwards."""
    lines = []
    files = {pid: f"{AREA}/../trace-{pid}" for pid in workers()}
    tracers = [
        subprocess.Popen(["strace", "-f", "-qq", "-s", "200", "-p", str(pid), "-e", f"trace={calls}", "-o", file]) for pid, file in files.items()
    ]
    try:
        for pid in files:
            eventually(lambda pid=pid: all(not line.endswith("\t0\n") for line in status(pid) if line.startswith("TracerPid")))
        yield lines
    finally:
        for tracer in tracers:
            tracer.terminate()
            tracer.wait()
        for file in files.values():
            with open(file, errors="replace") as trace:
                lines += trace.read().splitlines()


def status(pid):
    """Lines of status of all threads."""
    lines = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status") as text:
            lines += text.readlines()
    return lines


# ---- processes


def counts():
    """What `ffsctl status` shows of ffsftpd."""
    return next(row for row in json.loads(ctl("status", "ffsftpd", "--json")) if row["daemon"] == "ffsftpd")["counts"]


def workers_hold_nothing():
    """Every thread of a worker: no new privileges, seccomp, and under root another user, no groups, no capabilities, another root.
    Its descriptors are sockets, the accounts, the transfer log and its journal's segment; keys and certificates are no files to it."""
    signed_in()
    for pid in workers():
        threads = len(os.listdir(f"/proc/{pid}/task"))
        lines = [line.split(":", 1) for line in status(pid)]
        fields = {name: [value.strip() for key, value in lines if key == name] for name, _ in lines}
        assert fields["NoNewPrivs"] == ["1"] * threads and fields["Seccomp"] == ["2"] * threads, fields
        if os.getuid() == 0:
            assert all(set(value.split()) == {fields["Uid"][0].split()[0]} != {"0"} for value in fields["Uid"]), fields["Uid"]
            assert fields["Groups"] == [""] * threads, fields["Groups"]
            for name in ["CapEff", "CapPrm", "CapInh", "CapAmb"]:
                assert all(int(value, 16) == 0 for value in fields[name]), (name, fields[name])
            assert os.readlink(f"/proc/{pid}/root") == os.path.realpath(AREA)
        assert counts()["workers under Landlock"] == counts()["workers under seccomp"] == len(workers()), counts()
        for number in os.listdir(f"/proc/{pid}/fd"):
            target = os.readlink(f"/proc/{pid}/fd/{number}")
            known = target.startswith(("socket:", "anon_inode:", "/memfd:", "/dev/null", os.path.realpath(AREA)))
            known = known or target.startswith(os.path.realpath(os.environ["FFS_JOURNAL"]) + "/ffsftpd-")
            assert known or target in (os.path.realpath(LOG), os.path.realpath(XFERLOG)), target


def plain_bytes_by_sendfile():
    """Files in clear go from the page cache to the socket; nothing is read into the worker. Under TLS the same where the kernel
    encrypts, which is found out at run time."""
    client, protected = signed_in(), Client().secure()
    protected("NOOP")

    def sent(body):
        """Bytes by sendfile(2), and bytes by reads of files."""
        with traced("sendfile,pread64,preadv") as lines:
            body()
        results = [(re.search(r"\b(sendfile|pread64|preadv)\(", line), re.search(r"= (\d+)$", line)) for line in lines]
        count = {"sendfile": 0, "pread64": 0, "preadv": 0}
        for call, result in results:
            if result:
                # A call that another thread interrupted is told in two lines, the second of which has the result.
                name = call.group(1) if call else "sendfile"
                count[name] += int(result.group(1))
        return count["sendfile"], count["pread64"] + count["preadv"]

    for name in ["big.iso", "hello.txt"]:
        by_kernel, by_worker = sent(lambda: client.transfer(f"RETR {name}"))
        # The account's SHA256SUMS is looked up for the log.
        assert by_kernel == len(content(name)) and by_worker <= 65_536, (name, by_kernel, by_worker)
    client.expect("REST 8388000", 350)
    assert sent(lambda: client.transfer("RETR big.iso"))[0] == 608
    by_kernel, by_worker = sent(lambda: protected.transfer("RETR big.iso"))
    try:
        with open("/proc/sys/net/ipv4/tcp_available_ulp") as ulps:
            has_ktls = "tls" in ulps.read().split()
    except FileNotFoundError:
        has_ktls = by_kernel > 0
    assert (by_kernel if has_ktls else by_worker) >= len(content("big.iso")), (has_ktls, by_kernel, by_worker)
    assert protected.transfer("RETR big.iso")[1] == content("big.iso")


def slow_readers_cost_a_buffer():
    """A hundred readers that stop, in clear and under TLS: no thread more, memory for a buffer each, and it comes back."""

    def threads():
        return sum(len(os.listdir(f"/proc/{pid}/task")) for pid in workers())

    other = signed_in()
    other.transfer("RETR big.iso")
    for secure, each in [(False, 120), (True, 450)]:
        before, running = memory(), threads()
        stalled = []
        for _ in range(50):
            client = Client().secure() if secure else signed_in()
            client("NOOP")
            stalled.append((client, begin(client, "RETR huge.bin")))
        time.sleep(1)
        assert threads() == running, (running, threads())
        assert memory() < before + 50 * each, (secure, before, memory())
        assert min(timed(lambda: other.transfer("RETR big.iso")) for _ in range(3)) < 1
        for client, data in stalled:
            data.close()
            client.close()
        eventually(lambda: memory() < before + 6_000)


def writing_verbs_reach_no_file():
    """Whatever the state of the session: no system call names a file because of them."""
    client = signed_in()
    client.transfer("LIST")
    with traced("%file,write,ftruncate,fchmod,fchown,fallocate") as lines:
        for prepare in ["NOOP", "EPSV", "REST 5", "TYPE A", "CWD /", "RNFR hello.txt"]:
            client(prepare)
            for command in [
                "STOR hello.txt", "STOU", "APPE hello.txt", "DELE hello.txt", "RMD d", "MKD new", "RNFR hello.txt", "RNTO x", "MFMT 20200101000000 hello.txt",
                "MFCT 20200101000000 hello.txt", "MFF modify=1; hello.txt", "SMNT /", "SITE CHMOD 777 hello.txt", "SITE UTIME 20200101000000 hello.txt", "XMKD new", "XRMD d", "AVBL", "ALLO 5",
            ]:
                assert client(command)[0] in "25", command
        during = client.open_data()
        client.raw(b"STOR hello.txt\r\n")
        assert client.reply().startswith("550")
        during.close()
    # Once a second the account's record is looked for; CWD opens what it is told to.
    files = [line for line in lines if re.search(r"hello|new|\bd\b|SITE|\bx\b|ftruncate|fchmod|fchown|fallocate|O_WRONLY|O_RDWR|O_CREAT", line)]
    assert lines and not files, files


# ---- restarts


def restart_fails_nobody():
    """Three rolling restarts under downloads of every kind: each ends whole, and every new session is admitted meanwhile."""
    expected = hashlib.sha256(content("huge.bin")).hexdigest()
    old = set(workers())
    failures, whole, came = [], [], []
    over = threading.Event()

    def download(name, client, command="RETR huge.bin", active=False):
        try:
            client("NOOP")
            if active:
                listener = socket.create_server((HOST, 0))
                client.expect(f"EPRT |1|{HOST}|{listener.getsockname()[1]}|", 200)
                client.raw(command.encode() + b"\r\n")
                data = listener.accept()[0]
                assert client.reply().startswith("150")
            else:
                data = begin(client, command)
            digest, stream = hashlib.sha256(), zlib.decompressobj() if "MODE Z" in name else None
            while more := data.recv(1 << 18):
                digest.update(stream.decompress(more) if stream else more)
            if isinstance(data, ssl.SSLSocket):
                data.unwrap()
            data.close()
            assert digest.hexdigest() == expected, "another content"
            assert client.reply().startswith("226")
            assert client.reply().startswith("421 The server is being restarted")
            whole.append(name)
        except Exception as error:
            failures.append((name, repr(error)))

    def come_and_go():
        while not over.is_set():
            try:
                client = signed_in()
                assert client.transfer("RETR hello.txt")[1] == content("hello.txt")
                client.close()
                came.append(client)
            except Exception as error:
                failures.append(("newcomer", repr(error)))

    deflated = signed_in()
    deflated.expect("MODE Z", 200)
    deflated.expect("OPTS MODE Z LEVEL 1", 200)
    runs = [
        ("plain", signed_in()), ("TLS 1.2", Client().secure(tls_context(ssl.TLSVersion.TLSv1_2))), ("TLS 1.3", Client().secure()), ("active", signed_in(), "RETR huge.bin", True),
        ("MODE Z", deflated),
    ]
    threads = [threading.Thread(target=download, args=run) for run in runs]
    newcomer = threading.Thread(target=come_and_go)
    for thread in [*threads, newcomer]:
        thread.start()
    eventually(lambda: sum(bool(row["path"]) for row in json.loads(ctl("ftp", "who", "--json"))) >= len(runs))
    for _ in range(3):
        ctl("ftp", "restart")
        before = len(came)
        eventually(lambda: len(came) > before + 2 or failures)
    for thread in threads:
        thread.join(60)
    over.set()
    newcomer.join()
    assert not failures and len(whole) == len(runs), (failures, whole)
    eventually(lambda: len(workers()) == 2 and not old & set(workers()))


def grace_time_ends():
    """drain.timeout is 5 s here: a client that does not read holds an old worker no longer; an idle one is told earlier."""
    client = signed_in()
    data = begin(client, "RETR huge.bin")
    idle = signed_in()
    old = set(workers())
    ctl("ftp", "restart")
    assert idle.reply().startswith("421")
    eventually(lambda: not old & set(workers()), 10)
    assert "the drain time is over; transfers are cut" in log()
    try:
        assert len(drain(data)) < len(content("huge.bin"))
    except ConnectionResetError:
        pass
    signed_in().expect("NOOP", 200)


# ---- operators


def kicked_within_a_second():
    """Whatever a session is doing. The reader that has stopped learns it from its connections' ends."""
    idle, waiting, plain, protected, reading = signed_in(), signed_in(), signed_in(), Client().secure(), signed_in()
    protected("NOOP")
    waiting.passive()
    waiting.raw(b"RETR huge.bin\r\n")
    assert waiting.reply().startswith("150")
    opened = [begin(client, "RETR huge.bin") for client in [plain, protected]]
    reading.raw(b"XSHA512 huge.bin\r\n")
    nobody = Client()
    rows = json.loads(ctl("ftp", "who", "--json"))
    assert len(rows) == 6 and sum(row["account"] == ACCOUNT for row in rows) == 5, rows
    for row in rows:
        ctl("ftp", "kick", row["session"])
    start = time.monotonic()
    for client in [idle, waiting, plain, protected, reading, nobody]:
        while not (reply := client.reply()).startswith("421"):
            assert reply[:3] in ("426", "250"), reply
        try:
            client.expect_end(2)
        except ssl.SSLError:
            pass
    assert time.monotonic() - start < 1
    for data in opened:
        try:
            assert len(drain(data)) < len(content("huge.bin"))
        except (ConnectionResetError, ssl.SSLError):
            pass
    assert json.loads(ctl("ftp", "who", "--json")) == []


def limits_are_shown():
    """`ffsctl ftp limits`: the options in force and how many sessions there are."""
    held = [signed_in() for _ in range(3)]
    shown = json.loads(ctl("ftp", "limits", "--json"))
    assert shown["sessions now"] == 3, shown
    values = {key: str(value) for key, value in shown.items()}
    for key, value in {"ftp.sessions": "500", "ftp.sessions-per-account": "7", "ftp.sessions-per-address": "1000", "ftp.rate-per-session": "4096"}.items():
        assert values[key] == value, shown
    assert "ftp.sessions-per-account" in ctl("ftp", "limits")
    held += [signed_in() for _ in range(4)]
    client = Client()
    client.expect(f"USER {ACCOUNT}", 331)
    assert "Too many connections" in client.expect(f"PASS {PASSWORD}", 421)


# ---- logs


def logs_agree_to_the_byte():
    """xferlog and structured log about each transfer: offset, bytes, complete or not, duration, TLS and its reuse, digest."""
    whole = content("big.iso")
    digest = hashlib.sha256(whole).hexdigest()
    wanted = []

    def note(client, received, complete, offset=0, path="big.iso", reused=None, exact=True):
        wanted.append((received, complete, offset, path, client.sock.version() if client.is_protected else None,
                       client.sock.cipher()[0] if client.is_protected else None, reused, exact))

    for client in [signed_in(), Client().secure(tls_context(ssl.TLSVersion.TLSv1_2)), Client().secure()]:
        client("NOOP")
        for prepare, command, path, offset in [
            (None, "RETR big.iso", "big.iso", 0), ("REST 5000000", "RETR big.iso", "big.iso", 5_000_000), ("RANG 7 70000", "RETR big.iso", "big.iso", 7),
            ("TYPE A", "RETR hello.txt", "hello.txt", 0), ("TYPE I", "RETR d/one", "d/one", 0), ("MODE Z", "RETR big.iso", "big.iso", 0), ("MODE S", "LIST", None, 0),
        ]:
            if prepare:
                client(prepare)
            reply, got = client.transfer(command)
            assert reply.startswith("226"), reply
            if path:
                note(client, len(got), True, offset, path, client.data_reused if client.is_protected else None)
        bare = Client().secure(client.context) if client.is_protected else client
        reply, got = bare.transfer("RETR hello.txt", session=False)
        note(client, len(got), True, path="hello.txt", reused=False if client.is_protected else None)
        # Broken off: the kernel took at least what came through.
        for how in ["ABOR", "reset"]:
            data = begin(client, "RETR huge.bin")
            reused = data.session_reused if client.is_protected else None
            count = 0
            while count < 3_000_000:
                count += len(data.recv(100_000))
            if how == "ABOR":
                client.raw(b"ABOR\r\n")
                assert client.reply().startswith("426") and client.reply().startswith("226")
            else:
                data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                data.close()
                assert client.reply().startswith("426")
            note(client, count, False, path="huge.bin", reused=reused, exact=False)
        client.expect("NOOP", 200)
    eventually(lambda: len(open(XFERLOG).readlines()) == len(wanted))
    lines = [line.split() for line in open(XFERLOG)]
    time.sleep(0.2)
    text = [line for line in log().splitlines() if " transfer " in line]
    assert len(text) == len(lines) == len(wanted)
    for line, words, want in zip(lines, text, wanted):
        received, complete, offset, path, version, cipher, reused, exact = want
        fields = dict(word.split("=", 1) for word in re.findall(r'[\w-]+=(?:"[^"]*"|\S+)', words))
        case = (want, line, words)
        assert line[7] == fields["bytes"], case
        assert int(fields["bytes"]) == received if exact else received <= int(fields["bytes"]) < len(content("huge.bin")), case
        assert (line[-1] == "c") == (fields["complete"] == "true") == complete and fields["offset"] == str(offset), case
        assert line[8] == fields["path"] == "/" + path and line[13] == fields["account"] == ACCOUNT and line[6] == HOST, case
        assert max(1, round(int(fields["milliseconds"]) / 1000)) == int(line[5]), case
        if version:
            assert fields["tls"].strip('"').split() == [version, cipher] and fields["reused"] == str(bool(reused)).lower(), case
        else:
            assert "tls" not in fields and "reused" not in fields, case
        assert fields["sha256"] == hashlib.sha256(content(path)).hexdigest(), case
    assert digest in log() and PASSWORD not in log()


def transfer_log_is_rotated():
    """logrotate(8) renames xferlog and has the daemon reload: what comes then stands in a new file, what went before in the old one,
    FTP and HTTPS, from workers that were there and from those that are started later. A session goes on meanwhile."""
    def names(path):
        return sorted(line.split()[8] for line in open(path)) if os.path.exists(path) else []

    def fetch(client, path):
        assert client.transfer(f"RETR {path}")[0].startswith("226")
        subprocess.run(["curl", "-sSfk", "-o", "/dev/null", "-u", f"{ACCOUNT}:{PASSWORD}", f"https://{HOST}:{HTTPS}/a/{ACCOUNT}/{path}"], check=True)

    clients = [signed_in() for _ in range(6)]
    for client in clients:
        fetch(client, "hello.txt")
    eventually(lambda: len(names(XFERLOG)) == 12)
    for turn in range(2):
        rotated = f"{XFERLOG}.{turn}"
        before = names(XFERLOG)
        os.rename(XFERLOG, rotated)
        os.kill(PID, signal.SIGHUP)
        eventually(lambda: os.path.exists(XFERLOG) and log().count("reloaded") > turn)
        # Each worker has it once it has answered a question that was asked after the reload.
        ctl("ftp", "who", "--json")
        if turn == 1:
            os.kill(workers()[0], signal.SIGKILL)
            eventually(lambda: len(workers()) == 2 and log().count("worker serves") == 3)
            clients = [signed_in() for _ in range(6)]
        for client in clients:
            fetch(client, "d/one")
        eventually(lambda: len(names(XFERLOG)) == 12)
        assert names(XFERLOG) == ["/d/one"] * 12 and names(rotated) == before


if __name__ == "__main__":
    globals()[sys.argv[1]]()
