#!/usr/bin/python3
"""What ffsftpd records: `ftp_journal.py CASE` runs one row, and fails loudly.

The daemon runs already; FFS_… variables say where (ftp_wire.py), FFS_JOURNAL where its journal is. Segments are read here by
their description in ffs-pipeline(7), with no line of the daemon's own code."""
import concurrent.futures
import glob
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

from ftp_wire import *

JOURNAL = os.environ["FFS_JOURNAL"]
BASE = f"https://localhost:{HTTPS}/a/{ACCOUNT}"
USER = ["--user", f"{ACCOUNT}:{PASSWORD}"]

# ---- reading a journal

TABLE = []
for index in range(256):
    for _ in range(8):
        index = index >> 1 ^ (0x82F63B78 if index & 1 else 0)
    TABLE.append(index)

FIELDS = {
    1: "trace", 2: "customer", 4: "product", 5: "version", 7: "account", 8: "order", 9: "path", 10: "digest", 11: "from", 12: "to",
    13: "size", 14: "duration", 15: "outcome", 16: "reason", 17: "peer", 18: "service", 19: "tls", 20: "session", 23: "count",
    26: "flags", 31: "bytes", 35: "stream", 36: "begun",
}
NUMBERS = {"order", "from", "to", "size", "duration", "count", "bytes", "begun"}


def crc32c(register, data):
    for byte in data:
        register = register >> 8 ^ TABLE[(register ^ byte) & 0xFF]
    return register


def event(record):
    assert record[0] == 1
    length = record[1]
    fields = {"type": record[2:2 + length].decode(), "id": record[2 + length:18 + length].hex()}
    place = 26 + length
    while place < len(record):
        number, size = record[place], record[place + 1]
        place += 2
        if size & 0x80:
            size, place = (size & 0x7F) << 8 | record[place], place + 1
        name, value = FIELDS.get(number, str(number)), record[place:place + size]
        fields[name] = int.from_bytes(value, "big") if name in NUMBERS else value if name in ("digest", "trace", "path") else value.decode()
        place += size
    return fields


def segment(path):
    with open(path, "rb") as file:
        data = file.read()
    is_open = path.endswith(".open")
    assert data[:8] == b"FFSJRNL1", path
    salt, made = struct.unpack(">I", data[40:44])[0], struct.unpack(">Q", data[44:52])[0]
    found, place = [], 4096
    while place + 8 <= len(data):
        check, length = struct.unpack(">II", data[place:place + 8])
        if length == 0:
            break
        record = data[place + 8:place + 8 + length]
        if ~crc32c(salt, data[place + 4:place + 8 + length]) & 0xFFFFFFFF ^ place & 0xFFFFFFFF != check:
            assert is_open, (path, place)
            return made, found  # It is being written.
        found.append(event(record))
        place += 8 + (length + 7) // 8 * 8
    assert is_open or place == len(data), (path, place)
    return made, found


def events(kind=None):
    found = []
    for folder in glob.glob(f"{JOURNAL}/ffsftpd-*"):
        for name in os.listdir(folder):
            if not name.endswith((".open", ".sealed")):
                continue
            try:
                found.append(segment(f"{folder}/{name}"))
            except FileNotFoundError:  # It was sealed meanwhile.
                return events(kind)
    return [each for _, all in sorted(found, key=lambda one: one[0]) for each in all if kind is None or each["type"] == kind]


def downloads():
    """Of each file: how often it was completed, from where to where."""
    return sorted((each["path"].decode(), each["from"], each["to"], each["service"]) for each in events("download.completed"))


def alive():
    try:
        return len(workers())
    except (AssertionError, OSError):
        return 0


def until(what, condition, seconds=15):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def curl(*words, check=True):
    run = subprocess.run(["curl", "-sS", "-k", "--max-time", "60", *words], capture_output=True)
    assert not check or run.returncode == 0, (words, run.stderr)
    return run.stdout


def signed_in():
    return Client().login()


# ---- rows


def each_download_has_one_record():
    """By curl, lftp and hand, over FTP, FTPS, HTTP/1.1 and HTTP/2; whole, in parts and resumed; files of every size."""
    for name, count in [("empty", 0), ("one", 1), ("full", 16_384), ("more", 16_385), ("odd", 1_000_001)]:
        with open(f"{TREE}/{name}", "wb") as file:
            file.write(os.urandom(count))
    expected = []

    def same(got, name, start=0, end=None, service="https"):
        with open(f"{TREE}/{name}", "rb") as file:
            content = file.read()
        end = len(content) if end is None else end
        assert got == content[start:end], (name, start, end, len(got))
        expected.append((f"/{name}", start, end, service))

    names = ["empty", "one", "hello.txt", "full", "more", "odd", "big.iso"]
    for name in names:
        same(curl(*USER, f"ftp://{HOST}:{PORT}/{name}"), name, service="ftp")
        same(curl(*USER, "--ssl-reqd", f"ftp://{HOST}:{PORT}/{name}"), name, service="ftp")
        for version in ["--http1.1", "--http2"]:
            same(curl(*USER, version, f"{BASE}/{name}"), name)
    for version in ["--http1.1", "--http2"]:
        same(curl(*USER, version, "-r", "5-1000", f"{BASE}/odd"), "odd", 5, 1001)
        same(curl(*USER, version, "-r", "999999-", f"{BASE}/odd"), "odd", 999_999)
        got = curl(*USER, version, "-r", "0-9,500000-600000", f"{BASE}/odd")
        assert got.count(b"Content-Range: bytes") == 2 or got.lower().count(b"content-range: bytes") == 2
        expected.extend([("/odd", 0, 10, "https"), ("/odd", 500_000, 600_001, "https")])
        # Nothing of the file's content: no record.
        curl(*USER, version, "-I", f"{BASE}/odd")
        curl(*USER, version, f"{BASE}/nothing")
    same(curl(*USER, "-C", "1000", f"ftp://{HOST}:{PORT}/odd"), "odd", 1_000, service="ftp")
    place = os.path.join(os.path.dirname(JOURNAL), "lftp.out")
    for secure in ["set ftp:ssl-force true; set ssl:verify-certificate no; set ftp:ssl-protect-data true;", "set ftp:ssl-allow false;"]:
        with open(place, "wb") as file:
            file.write(open(f"{TREE}/odd", "rb").read()[:700_000])
        commands = f"set net:max-retries 1; {secure} open -u {ACCOUNT},{PASSWORD} -p {PORT} {HOST}; get -c odd -o {place}"
        subprocess.run(["lftp", "-c", commands], check=True, capture_output=True, timeout=60)
        same(open(place, "rb").read()[700_000:], "odd", 700_000, service="ftp")
    client = signed_in()
    client.expect("TYPE A", 200)
    assert client.transfer("RETR hello.txt")[1] == b"hello\r\nworld\r\n"
    expected.append(("/hello.txt", 0, 12, "ftp"))
    client.expect("TYPE I", 200)
    client.expect("MODE Z", 200)
    client.transfer("RETR odd")
    expected.append(("/odd", 0, 1_000_001, "ftp"))
    client.expect("MODE S", 200)
    client.transfer("MLSD")
    assert downloads() == sorted(expected), (set(downloads()) ^ set(expected), len(downloads()), len(expected))
    assert not events("download.aborted")
    for each in events("download.completed"):
        assert each["account"] == ACCOUNT and each["customer"] == "acme" and each["product"] == "demo" and each["version"] == "1", each
        assert each["size"] == os.path.getsize(TREE + each["path"].decode()) and each["peer"].startswith(f"{HOST}:"), each
        assert ("tls" in each) == (each["service"] == "https" or "TLS" in each.get("tls", "")), each
    assert {len(each["digest"]) for each in events("download.completed") if each["path"] == b"/big.iso"} == {32}
    ids = [each["id"] for each in events()]
    assert len(ids) == len(set(ids))


def broken_downloads_are_aborted():
    """A client that goes away: one record of what was sent, over both services."""
    client = signed_in()
    data = client.open_data()
    client.raw(b"RETR huge.bin\r\n")
    assert client.reply().startswith("150")
    assert len(data.recv(1000)) > 0
    data.close()
    assert client.reply().startswith("426")
    slow = ["--limit-rate", "1M", "--max-time", "1"]
    curl(*USER, "--http1.1", "-r", "1000-", *slow, f"{BASE}/huge.bin", check=False)
    curl(*USER, "--http2", *slow, f"{BASE}/huge.bin", check=False)
    until("three records", lambda: len(events("download.aborted")) == 3)
    assert not events("download.completed")
    for each in events("download.aborted"):
        assert each["path"] == b"/huge.bin" and each["from"] <= each["to"] < each["size"] and each["reason"], each
    assert {each["from"] for each in events("download.aborted")} == {0, 1000}


def long_downloads_have_a_start():
    client = signed_in()
    data = client.open_data()
    client.raw(b"RETR huge.bin\r\n")
    assert client.reply().startswith("150")
    fetch = subprocess.Popen(["curl", "-sS", "-k", *USER, "-o", "/dev/null", f"{BASE}/huge.bin"])
    threading.Thread(target=drain, args=[data], daemon=True).start()
    until("two starts", lambda: len(events("download.started")) == 2)
    time.sleep(1.5)
    assert len(events("download.started")) == 2
    fetch.kill()
    data.shutdown(socket.SHUT_RDWR)
    until("two ends", lambda: len(events("download.aborted")) == 2)
    for each in events("download.started"):
        assert each["path"] == b"/huge.bin" and each["account"] == ACCOUNT and 0 < each["to"] < each["size"], each


def sign_ins_are_recorded():
    signed_in()("QUIT")
    client = Client()
    client.expect(f"USER {ACCOUNT}", 331)
    client.expect("PASS wrong", 530)
    # One connection of many requests signs in once.
    curl(*USER, "--http1.1", *[f"{BASE}/hello.txt"] * 5)
    curl("--user", f"{ACCOUNT}:wrong", f"{BASE}/hello.txt")
    until("four sign-ins", lambda: len(events("login")) >= 4)
    time.sleep(0.3)
    found = [(each["service"], each["outcome"], each.get("reason")) for each in events("login")]
    assert sorted(found, key=str) == sorted([
        ("ftp", "ok", None), ("ftp", "refused", "wrong password"), ("https", "ok", None), ("https", "refused", "wrong password"),
    ], key=str), found


def a_dead_workers_downloads_are_aborted():
    """kill -9 in the middle: one record for each download, with account and path, and none is lost."""
    client = signed_in()
    data = client.open_data()
    client.raw(b"RETR huge.bin\r\n")
    assert client.reply().startswith("150") and len(data.recv(1000)) > 0
    fetch = subprocess.Popen(["curl", "-sS", "-k", *USER, "-o", "/dev/null", f"{BASE}/huge.bin"], stderr=subprocess.DEVNULL)
    done = signed_in()
    assert done.transfer("RETR hello.txt")[0].startswith("226")
    time.sleep(2.2)
    for worker in workers():
        os.kill(worker, signal.SIGKILL)
    fetch.wait(20)
    until("two records", lambda: len(events("download.aborted")) == 2)
    until("all serve again", lambda: alive() == 2)
    for each in events("download.aborted"):
        assert each["path"] == b"/huge.bin" and each["account"] == ACCOUNT and each["customer"] == "acme", each
        assert each["reason"] == "the process that served it ended" and 0 < each["to"] < each["size"], each
    assert {each["service"] for each in events("download.aborted")} == {"ftp", "https"}
    assert downloads() == [("/hello.txt", 0, 12, "ftp")]
    until("it serves", lambda: signed_in().transfer("RETR hello.txt")[0].startswith("226"))
    assert len(downloads()) == 2


def segments_roll_under_load():
    """A worker that is stopped across a roll keeps its segment until it goes on: nothing is lost and nothing comes twice."""
    done, stop = [0] * 6, threading.Event()

    def load(index):
        client = signed_in()
        while not stop.is_set():
            assert client.transfer("RETR hello.txt")[1] == b"hello\nworld\n"
            done[index] += 1

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        running = [pool.submit(load, index) for index in range(6)]
        for _ in range(3):
            time.sleep(0.7)
            for worker in workers():
                os.kill(worker, signal.SIGSTOP)
                time.sleep(0.5)
                os.kill(worker, signal.SIGCONT)
        time.sleep(0.5)
        stop.set()
        for each in running:
            each.result()
    assert sum(done) > 500, done
    until("every record", lambda: len(downloads()) == sum(done))
    ids = [each["id"] for each in events("download.completed")]
    assert len(ids) == len(set(ids))
    until("one open segment for each worker", lambda: len(glob.glob(f"{JOURNAL}/*/*.open")) <= 3)
    assert len(glob.glob(f"{JOURNAL}/*/*.sealed")) >= 3


def fill():
    """Takes what is left of the journal's file system."""
    file = os.open(f"{JOURNAL}/filler", os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(file, b"x" * 4096)
    except OSError:
        os.close(file)


def use_up(client):
    """Downloads until no more is let begin; how many were whole."""
    for count in range(10_000):
        reply, got = client.transfer("RETR hello.txt")
        if not reply.startswith("226"):
            assert reply.startswith("451") and "recorded" in reply and got != b"hello\nworld\n", reply
            return count
    raise AssertionError("the disk is never full")


def a_full_disk_refuses():
    """New sign-ins and downloads are refused with the reason, what runs is finished and recorded; then it goes on."""
    running = signed_in()
    data = running.open_data()
    running.raw(b"RETR big.iso\r\n")
    assert running.reply().startswith("150")
    fill()
    whole = use_up(signed_in())
    refused = Client()
    refused.expect(f"USER {ACCOUNT}", 331)
    reply = refused(f"PASS {PASSWORD}")
    assert reply.startswith("421") and "recorded" in reply, reply
    status = curl(*USER, "-o", "/dev/null", "-w", "%{http_code}", f"{BASE}/hello.txt")
    assert status == b"503", status
    assert len(drain(data)) == 8 << 20
    assert running.reply().startswith("226")
    assert len(downloads()) == whole + 1
    os.unlink(f"{JOURNAL}/filler")

    def again():
        client = Client()
        client.expect(f"USER {ACCOUNT}", 331)
        return client(f"PASS {PASSWORD}").startswith("230")

    until("sign-ins again", again)
    assert running.transfer("RETR hello.txt")[0].startswith("226")
    assert len(downloads()) == whole + 2


def a_full_disk_serves():
    """pipeline.on-full serve: everybody is served, and what was not recorded is counted."""
    client = signed_in()
    fill()
    whole = 1_500
    for _ in range(whole):
        assert client.transfer("RETR hello.txt")[0].startswith("226")
    assert signed_in()("NOOP").startswith("200")
    os.unlink(f"{JOURNAL}/filler")

    def told():
        assert client.transfer("RETR hello.txt")[0].startswith("226")
        nonlocal whole
        whole += 1
        return events("journal.loss")

    until("the loss", told)
    lost = sum(each["count"] for each in events("journal.loss"))
    logins = len(events("login"))
    assert len(downloads()) + logins + lost == whole + 2, (len(downloads()), logins, lost, whole)
    assert downloads() and lost > 500


if __name__ == "__main__":
    for case in sys.argv[1:]:
        globals()[case]()
