#!/usr/bin/python3
"""What strangers try against ffsftpd: `ftp_attacks.py CASE` runs one row, and fails loudly.

The daemon runs already; FFS_… variables say where (ftp_wire.py)."""
import hashlib
import os
import socket
import ssl
import struct
import sys
import threading
import time

from ftp_wire import *

# ---- lines


def overlong_line():
    client = signed_in()
    client.raw(b"A" * 4300 + b"\r\nPWD\r\nDELE hello.txt\r\n")
    assert client.reply().startswith("500")
    client.expect_end()


def forbidden_bytes():
    for bad in [b"NOOP\nNOOP\r\n", b"NOOP\rNOOP\r\n", b"NO\0OP\r\nNOOP\r\n", b"\xff\xf1" * 64 + b"NOOP\r\n", b"\xff\x20NOOP\r\n"]:
        client = signed_in()
        client.raw(bad)
        assert client.reply().startswith("500"), bad
        client.expect_end()
    # Across segments, byte by byte.
    client = signed_in()
    for byte in b"PWD\r":
        client.raw(bytes([byte]))
        time.sleep(0.01)
    client.raw(b"\n")
    assert client.reply().startswith("257")


def before_sign_in():
    client = Client()
    for command in ["LIST", "MLSD", "SIZE hello.txt", "STAT", "SITE HELP", "RETR hello.txt", "CWD /", "PASV", "EPSV", "HASH x", "STOR x", "MDTM x"]:
        client.expect(command, 530)
    for verb in ["GET / HTTP/1.1", "POST / HTTP/1.1", "HEAD / HTTP/1.0", "CONNECT x:1 HTTP/1.1"]:
        client = Client()
        client.expect(verb, 530)
        client.expect_end()
    client = Client()
    for _ in range(10):
        client.expect("XYZZY", 530)
    client.expect_end()


def auth_injection():
    for tail in [b"USER x\r\n", b"USER x", b"\r\n"]:
        client = Client()
        client.raw(b"AUTH TLS\r\n" + tail)
        client.expect_end()
    eventually(lambda: "bytes behind AUTH TLS" in log())
    # An honest one goes on.
    Client().secure()


def offsets():
    client = signed_in()
    for number in ["-1", "+5", str(2**63), str(2**63 + 1), str(2**64), "1e3", " 1", "1 "]:
        client.expect(f"REST {number}", 501)
        client.expect(f"RANG {number} {number}", 501)
    client.expect(f"REST {2**63 - 1}", 350)
    client.passive()
    client.expect("RETR hello.txt", 554)


# ---- data connections


def third_parties():
    victim = socket.create_server(("127.0.0.2", 0))
    victim.settimeout(0.5)
    port = victim.getsockname()[1]
    client = signed_in()
    client.expect(f"PORT 127,0,0,2,{port >> 8},{port & 255}", 504)
    client.expect(f"EPRT |1|127.0.0.2|{port}|", 504)
    client.expect(f"EPRT |2|::ffff:127.0.0.2|{port}|", 504)
    client.expect("PORT 127,0,0,1,0,25", 504)
    client.expect("EPRT |1|127.0.0.1|1023|", 504)
    client.expect("LIST", 425)
    try:
        victim.accept()
        raise AssertionError("a third party was connected to")
    except socket.timeout:
        pass
    assert client.transfer("RETR hello.txt") == ("226 Transfer complete.", b"hello\nworld\n")


def passive_theft():
    client = signed_in()
    port = client.passive()
    thief = socket.create_connection(("127.0.0.1", port), 5, source_address=("127.0.0.2", 0))
    client.raw(b"RETR hello.txt\r\n")
    assert client.reply().startswith("150")
    assert_reset(thief)
    honest = socket.create_connection(("127.0.0.1", port), 5)
    assert drain(honest) == b"hello\nworld\n"
    assert client.reply().startswith("226")
    eventually(lambda: "data connection from another address refused" in log())


def assert_reset(sock):
    sock.settimeout(5)
    try:
        assert sock.recv(100) == b"", "a thief got data"
    except ConnectionResetError:
        pass


def passive_theft_same_address():
    """With ftp.tls-reuse require: same address, but not this session's ticket."""
    for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
        client = Client().secure(tls_context(version))
        other = Client().secure(tls_context(version))
        client("NOOP")
        other("NOOP")
        reply, got = client.transfer("RETR hello.txt")
        assert (reply[:3], got) == ("226", b"hello\nworld\n") and client.data_reused, (version, reply)
        # No ticket at all.
        reply, got = refused(client, None)
        assert (reply[:3], got) == ("522", b""), (version, reply)
        # Another session's.
        own = client.context
        client.context = other.context
        reply, got = refused(client, other.sock.session)
        assert (reply[:3], got) == ("522", b""), (version, reply)
        client.context = own
        assert client.transfer("RETR hello.txt")[0].startswith("226")


def refused(client, session):
    data = client.open_data()
    client.raw(b"RETR hello.txt\r\n")
    assert client.reply().startswith("150")
    got = b""
    try:
        data = client.context.wrap_socket(data, session=session)
        got = drain(data)
    except (ssl.SSLError, OSError):
        pass
    return client.reply(), got


def ten_thousand_pasv():
    client = signed_in()
    ports = set()
    client.passive()
    before = descriptors()
    for _ in range(100):
        client.raw(b"PASV\r\n" * 100)
        for _ in range(100):
            ports.add(client.reply())
    assert len(ports) == 1 and descriptors() == before
    # Nobody connects: ftp.data-timeout is 3 s here.
    eventually(lambda: descriptors() == before - 1, 8)
    client.expect("LIST", 425)


def aborts():
    def flat():
        return descriptors(), memory()

    client = signed_in()
    client.transfer("RETR big.iso")
    before = flat()
    for index in range(40):
        data = client.open_data()
        client.raw(b"RETR big.iso\r\n")
        assert client.reply().startswith("150")
        take(data, index * 200_000)
        if index % 2:
            # Telnet IP and Synch with urgent data, as RFC 959 has it.
            client.sock.send(b"\xff\xf4\xff", socket.MSG_OOB if index % 4 == 1 else 0)
            client.sock.send(b"\xf2")
        client.raw(b"ABOR\r\n")
        first = client.reply()
        if first.startswith("426"):
            assert client.reply().startswith("226")
        else:
            assert first.startswith("226")  # it was over by then
            assert client.reply().startswith("226")
        data.close()
        client.expect("NOOP", 200)
    for index in range(40):
        data = client.open_data()
        client.raw(b"RETR big.iso\r\n")
        client.reply()
        take(data, index * 200_000)
        data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        data.close()
        assert client.reply()[:3] in ("426", "226")
    client.expect("ABOR", 226)
    eventually(lambda: descriptors() == before[0])
    assert memory() < before[1] + 2_000, (before, flat())


def take(data, count):
    while count > 0:
        count -= len(data.recv(min(count, 65536)))


def zero_window():
    """ftp.stall-timeout is 5 s here."""
    client = signed_in()
    client.transfer("RETR hello.txt")
    before = memory()
    stalled = []
    for _ in range(50):
        session = signed_in()
        data = session.open_data()
        session.raw(b"RETR big.iso\r\n")
        session.reply()
        stalled.append((session, data))
    assert memory() < before + 50 * 200, "a slow reader costs more than a buffer"
    assert timed(lambda: client.transfer("RETR hello.txt")) < 0.2
    for session, _ in stalled:
        session.sock.settimeout(15)
        assert session.reply().startswith("426")
    eventually(lambda: memory() < before + 4_000)


def slowloris():
    """ftp.login-timeout is 5 s here."""
    normal = timed(lambda: signed_in().close())
    before = descriptors()
    held = [Client() for _ in range(200)]
    for client in held[:100]:
        client.raw(b"US")
    for client in held[100:]:
        client.raw(b"AUTH TLS\r\n")
        client.reply()
        client.raw(b"\x16\x03\x01\x02")
    slow = timed(lambda: signed_in().close())
    assert slow < max(2 * normal, 0.05), (normal, slow)
    eventually(lambda: descriptors() <= before, 15)


def half_open_tls():
    normal = min(timed(lambda: Client().secure().close()) for _ in range(5))
    held = []
    for _ in range(900):
        client = Client()
        client.raw(b"AUTH TLS\r\n")
        client.reply()
        client.raw(b"\x16\x03\x01\x00\xc8\x01")
        held.append(client)
    slow = min(timed(lambda: Client().secure().close()) for _ in range(5))
    assert slow < 2 * normal + 0.02, (normal, slow)
    used = cpu()
    time.sleep(1)
    assert cpu() - used < 0.3, "half-open handshakes keep a worker busy"


def descriptor_exhaustion():
    """One worker here, which may have 80 files open."""
    held = [socket.create_connection((HOST, PORT), 5) for _ in range(100)]
    time.sleep(1.2)
    used = cpu()
    time.sleep(2)
    assert cpu() - used < 0.4, "accept spins"
    for sock in held:
        sock.close()
    time.sleep(1.5)
    signed_in().expect("NOOP", 200)
    assert "cannot accept" in log()


# ---- files


def outside():
    secret = os.path.join(AREA, "outside.txt")
    with open(secret, "w") as file:
        file.write("outside")
    os.symlink("/etc/passwd", os.path.join(TREE, "link"))
    os.symlink("/", os.path.join(TREE, "up"))
    os.mkfifo(os.path.join(TREE, "fifo"))
    client = signed_in()
    for path in [
        "../../outside.txt", "/../../outside.txt", "../record", "/etc/passwd", "/proc/self/maps", "link", "up/etc/passwd", "up",
        "fifo", "\udcc0\udcae\udcc0\udcae/record", "\udce0\udc80\udcae./record", "a" * 4000, "d/" * 300 + "x", "..\\..\\outside.txt", "",
        "/dev/null", "hello.txt/", "hello.txt/x", "%2e%2e/record", "~", "~root/x", ".../record", "./.././../record",
    ]:
        for command in ["RETR", "SIZE", "MDTM", "HASH", "XMD5"]:
            reply, got = client.transfer(f"{command} {path}") if command == "RETR" else (client(f"{command} {path}"), b"")
            allowed = ("226", "213", "250") if path == "hello.txt/" else ()
            assert reply[0] == "5" or reply[:3] in allowed, (command, path, reply)
            assert b"outside" not in got and b"root:" not in got
    reply, listing = client.transfer("LIST ../../..")
    assert reply.startswith("226") and b"hello.txt" in listing and b"record" not in listing
    assert b"link" not in listing and b"fifo" not in listing
    client.expect("CWD up", 550)
    client.expect("CWD ../../../../..", 250)
    assert '"/"' in client("PWD")


def renames_during_open():
    """Directories move while paths through them are opened: an inside file, or nothing."""
    inner = os.path.join(TREE, "race")
    os.makedirs(inner + "/a/b")
    for place, text in [(inner + "/a/b/f", "inside"), (os.path.join(AREA, "f"), "outside")]:
        with open(place, "w") as file:
            file.write(text)
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            os.rename(inner + "/a/b", inner + "/b")
            os.rename(inner + "/b", inner + "/a/b")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        client = signed_in()
        found = 0
        for _ in range(1500):
            reply, got = client.transfer("RETR race/a/b/../b/../../../race/a/b/f")
            assert got in (b"inside", b""), got
            found += got == b"inside"
        assert found > 0
    finally:
        stop.set()
        thread.join()


def patterns():
    client = signed_in()
    for path in ["{" * 1000, "a*" * 1000 + "b", "[" * 1000, "*" * 3000, "[a-" * 500, "\\" * 1001, "?" * 255]:
        assert timed(lambda: client.transfer(f"NLST {path}")) < 1, path
    os.makedirs(os.path.join(TREE, "/".join(["deep"] * 100)).lstrip("/") if False else TREE + "/deep" * 100)
    reply, listing = client.transfer("LIST -R")
    assert reply.startswith("226") and listing.count(b":\r\n") < 200
    assert client.transfer("MLSD *.txt")[0].startswith("550"), "MLSD globs"
    names = client.transfer("NLST *.txt")[1]
    assert names == b"hello.txt\r\n", names


def huge_directory():
    place = TREE + "/many"
    os.mkdir(place)
    for index in range(200_000):
        os.close(os.open(f"{place}/a-file-with-a-longer-name-{index:06d}", os.O_CREAT | os.O_WRONLY, 0o444))
    client, other = signed_in(), signed_in()
    before = memory()
    worst = [0.0]
    over = threading.Event()

    def watch():
        while not over.is_set():
            worst[0] = max(worst[0], timed(lambda: other.expect("NOOP", 200)))

    thread = threading.Thread(target=watch)
    thread.start()
    peak = 0
    count = 0

    def read(data):
        nonlocal peak, count
        while True:
            more = data.recv(1 << 16)
            if not more:
                return
            count += more.count(b"\n")
            peak = max(peak, memory()) if count % 7 == 0 else peak

    reply, _ = client.transfer("LIST many", read=read)
    over.set()
    thread.join()
    assert reply.startswith("226") and count == 200_000, (reply, count)
    assert peak < before + 12_000, (before, peak)
    assert worst[0] < 0.25, f"another session waited {worst[0]:.3f} s"


def forged_names():
    for name in [b"x\r\n-rw-r--r-- 1 0 0 0 Jan 1 00:00 forged", b"a;type=dir;size=1", b"esc\x1b[2J", b"n\xcc\x83", b"\xc3\xb1", b"latin\xf1", b" lead", b"trail "]:
        with open(TREE.encode() + b"/" + name, "wb") as file:
            file.write(b"content")
    client = signed_in()
    listing = client.transfer("LIST")[1]
    entries = sum(not os.path.islink(os.path.join(TREE, name)) for name in os.listdir(TREE))
    assert listing.count(b"\r\n") == listing.count(b"\n") == entries, listing
    assert b"\x1b" not in listing
    facts = client.transfer("MLSD")[1]
    assert facts.count(b"\n") == entries and b"\x1b" not in facts
    for name in ["n\u0303", "\xf1", "latin\udcf1", " lead", "trail ", "a;type=dir;size=1", "esc\x1b[2J"]:
        assert client.transfer(f"RETR {name}")[1] == b"content", name
    eventually(lambda: open(XFERLOG, "rb").read().count(b"\n") >= 7)
    with open(XFERLOG, "rb") as text:
        for line in text.read().splitlines():
            assert len(line.split(b" ")) - line.count(b"  ") == 18 and b"\x1b" not in line, line
    assert "\x1b" not in log()


def writing_verbs():
    path = TREE + "/hello.txt"
    before = state(path)
    client = signed_in()
    for command in [
        "STOR hello.txt", "STOU", "APPE hello.txt", "DELE hello.txt", "RMD d", "MKD new", "RNFR hello.txt", "RNTO x", "MFMT 20200101000000 hello.txt",
        "MFCT 20200101000000 hello.txt", "MFF UNIX.mode=0777; hello.txt", "SMNT /", "SITE CHMOD 777 hello.txt", "SITE UTIME 20200101 hello.txt",
        "MDTM 20200101000000 hello.txt", "XMKD new", "XRMD d", "ALLO 10", "SITE SYMLINK a b",
    ]:
        for prepare in [[], ["EPSV"], ["REST 3"], ["RNFR hello.txt"], ["TYPE A"]]:
            for line in prepare:
                client(line)
            reply = client(command)
            assert reply[0] == "5" or reply.startswith("202"), (command, reply)
    assert state(path) == before
    assert not os.path.exists(TREE + "/new")


def state(path):
    status = os.stat(path)
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).digest(), status.st_mode, status.st_mtime_ns, status.st_nlink, status.st_ino, status.st_size


# ---- sign-in


def same_refusal():
    """Unknown, expired, no account's name at all, wrong password: one reply, one time."""
    kinds = {
        "wrong": (ACCOUNT, "x"), "unknown": ("zzzzzzzzzzzzzzzz", "x"), "expired": (os.environ["FFS_EXPIRED"], PASSWORD),
        "name": ("root", "x"), "path": ("../x", "x"), "work area": (".building", "x"),
    }
    results = {kind: [] for kind in kinds}

    def attempt(kind):
        name, password = kinds[kind]
        client = Client()
        client.expect(f"USER {name}", 331)
        start = time.monotonic()
        reply = client(f"PASS {password}")
        results[kind].append((reply, time.monotonic() - start))

    threads = [threading.Thread(target=attempt, args=(kind,)) for _ in range(20) for kind in kinds]
    for thread in threads:
        thread.start()
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert {reply for rows in results.values() for reply, _ in rows} == {"530 Login incorrect."}
    means = {kind: sum(seconds for _, seconds in rows) / len(rows) for kind, rows in results.items()}
    assert all(0.9 < seconds < 2.3 for rows in results.values() for _, seconds in rows), results
    assert max(means.values()) - min(means.values()) < 0.15, means
    # And nobody was locked out by it.
    assert timed(lambda: signed_in().close()) < 0.5


def every_pair():
    """Each command after each: a well-formed reply, whatever the state; nobody gets in without a password."""
    verbs = """USER PASS ACCT REIN HOST AUTH PBSZ PROT CCC LANG CWD CDUP PWD SYST FEAT OPTS HELP STAT NOOP SITE CLNT CSID PORT EPRT
        PASV EPSV TYPE MODE STRU ALLO REST RANG ABOR RETR SIZE MDTM MLST MLSD LIST NLST HASH XCRC XMD5 XSHA1 XSHA256 XSHA512 AVBL STOR
        STOU APPE DELE RMD MKD RNFR RNTO MFMT MFCT MFF SMNT ADAT MIC CONF ENC""".split()
    verbs.remove("AUTH")  # what follows 234 is a handshake
    arguments = {"PASS": "x", "USER": "nobody", "EPSV": "ALL", "PORT": "1,2,3,4,5,6"}
    client = signed_in()
    count = 0
    for first in verbs:
        for second in verbs:
            if "PASS" in (first, second):
                continue  # refused a second later: the next loop has it
            for verb in (first, second):
                reply = client(f"{verb} {arguments.get(verb, 'hello.txt')}")
                assert reply[3] in " -" and 200 <= int(reply[:3]) < 600, reply
                count += 1
            if not client("PWD").startswith("257"):
                client.close()
                client = signed_in()
    assert count > 6000
    client = Client()
    for verb in verbs[:20]:
        client("USER nobody")
        client(f"{verb} x") if verb != "PASS" else None
        assert client("PWD").startswith("530")


def ended_account():
    """An account that expires: idle sessions close, running transfers by policy."""
    name = os.environ["FFS_ENDING"]
    policy = os.environ["FFS_ENDING_POLICY"]
    idle = signed_in() if False else Client().login(name)
    busy = Client().login(name)
    data = busy.open_data()
    busy.raw(b"RETR big.iso\r\n")
    busy.reply()
    take(data, 100_000)
    idle.sock.settimeout(12)
    if policy == "grace 4":
        # Both go on for the grace time after the account's end.
        time.sleep(6)
        idle.expect("NOOP", 200)
    assert idle.reply().startswith("421")
    idle.expect_end()
    if policy == "finish":
        rest = drain(data)
        assert len(rest) + 100_000 == os.path.getsize(f"{AREA}/{name}/root/big.iso")
        assert busy.reply().startswith("226")
    else:
        data.settimeout(12)
        try:
            assert len(drain(data)) + 100_000 < os.path.getsize(f"{AREA}/{name}/root/big.iso")
        except ConnectionResetError:
            pass
    assert busy.reply().startswith("421")
    client = Client()
    client.expect(f"USER {name}", 331)
    client.expect(f"PASS {PASSWORD}", 530)


def revoked_account():
    """The record vanishes as ffsstaged withdraws it: noticed within a second or so."""
    client = signed_in()
    os.makedirs(f"{AREA}/.withdrawn", exist_ok=True)
    os.rename(f"{AREA}/{ACCOUNT}", f"{AREA}/.withdrawn/{ACCOUNT}")
    assert timed(lambda: client.reply()) < 2.5
    client.expect_end()


def guessable_ports():
    """Ports of 3,000 sessions over 16 equal parts of the range: chi-square, 15 degrees of freedom."""
    first, last = (int(word) for word in os.environ["FFS_PASSIVE"].split("-"))
    counts = [0] * 16
    previous = None
    steps = set()
    for _ in range(3000):
        client = Client()
        client.raw(f"USER {ACCOUNT}\r\nPASS {PASSWORD}\r\nEPSV\r\n".encode())
        client.reply(), client.reply()
        port = int(client.reply().split("|")[3])
        client.close()
        counts[(port - first) * 16 // (last - first + 1)] += 1
        if previous is not None:
            steps.add(port - previous)
        previous = port
    expected = 3000 / 16
    chi = sum((count - expected) ** 2 / expected for count in counts)
    assert chi < 44.3, (chi, counts)  # p = 0.0001
    assert len(steps) > 2000, "ports follow a pattern"


if __name__ == "__main__":
    globals()[sys.argv[1]]()
