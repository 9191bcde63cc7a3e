#!/usr/bin/python3
"""Serves a folder through ffsftpd alone, as one account, for as long as it runs.

  serve_ffs.py PROGRAM FOLDER STATE [--port N] [--set KEY=VALUE …]

PROGRAM is .build/release/ffsftpd; FOLDER's files are hard-linked into an account area under STATE (same file system),
as ffsstaged would do it (docs/formats.md). Prints, for compare.py --add, NAME:HOST:PORT:USER:PASSWORD:PREFIX:PID,…
Needs root, since ffsftpd does chroot(2)."""
import argparse
import hashlib
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time

ACCOUNT, PASSWORD = "abcdefghij234567", "BENCHMARKBENCHMARKBENCH234"
DAY = 86_400


def utc(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def index(root, digests):
    """What each folder holds, as staging writes it (docs/formats.md, "Index"); `digests`: by path below the root."""
    folders = []
    for place, names, files in os.walk(root):
        block = b""
        path = os.fsencode(os.path.relpath(place, root)) if place != str(root) else b""
        for name in sorted(os.fsencode(name) for name in names + files):
            inner = path + b"/" + name if path else name
            status = os.lstat(os.path.join(os.fsencode(place), name))
            digest = digests.get(inner)
            # 1: a folder; 2: size and time are not known; 4: the digest is.
            kind = 4 if digest else 3 if os.fsdecode(name) in names else 2
            block += bytes.fromhex(digest or "00" * 32) + struct.pack(
                "<QqBB", status.st_size if digest else 0, int(status.st_mtime) if digest else 0, kind, len(name)) + name
        folders.append((path, len(names) + len(files), block))
    folders.sort()
    paths = 16 + 32 * len(folders)
    blocks = paths + sum(len(path) for path, _, _ in folders)
    head = b"FFSINDEX" + struct.pack("<II", 1, len(folders))
    for path, entries, block in folders:
        head += struct.pack("<QQIIQ", paths, blocks, len(path), entries, len(block))
        paths += len(path)
        blocks += len(block)
    return head + b"".join(path for path, _, _ in folders) + b"".join(block for _, _, block in folders)


def make_account(folder, area, with_index=True):
    """The tree, the record and the index that make an account."""
    root = area / ACCOUNT / "root"
    if not root.exists():
        root.parent.mkdir(parents=True)
        subprocess.run(["cp", "-al", folder, root], check=True)
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path.name != "SHA256SUMS"]
    sums = root / "SHA256SUMS"
    if not sums.exists():
        with open(sums, "w") as out:
            for path in files:
                with open(path, "rb") as file:
                    out.write(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.relative_to(root)}\n")
        # Trees with fewer files do without.
        if with_index and len(files) >= 256:
            lines = (line.split("  ", 1) for line in sums.read_text().splitlines())
            (root.parent / "index").write_bytes(index(root, {path.encode(): digest for digest, path in lines}))
    now = int(time.time())
    (area / ACCOUNT / "record").write_text(
        f'<account-record v="1"><account>{ACCOUNT}</account><customer>bench</customer>'
        f'<item product="bench" version="1"/><created>{utc(now)}</created><expires>{utc(now + DAY)}</expires>'
        f"<policy>finish</policy><order>0</order><request>{'0' * 32}</request>"
        f"<password-sha256>{hashlib.sha256(PASSWORD.encode()).hexdigest()}</password-sha256>"
        f'<files>{len(files)}</files><size unit="byte">{sum(path.stat().st_size for path in files)}</size>'
        "</account-record>\n")


def certificate(tls):
    tls.mkdir(exist_ok=True)
    if not (tls / "cert.pem").exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "365", "-subj", "/CN=localhost", "-keyout", tls / "key.pem", "-out", tls / "cert.pem"],
            check=True, capture_output=True)


def processes(parent):
    """The daemon and its workers."""
    threads = pathlib.Path(f"/proc/{parent}/task").glob("*/children")
    return [parent] + [int(child) for thread in threads for child in thread.read_text().split()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("state", type=pathlib.Path)
    parser.add_argument("--port", type=int, default=2160)
    parser.add_argument("--without-index", action="store_true", help="as accounts of before the index are")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    state = arguments.state.absolute()
    for name in ("accounts", "run", "log", "journal"):
        (state / name).mkdir(parents=True, exist_ok=True)
    make_account(arguments.folder, state / "accounts", not arguments.without_index)
    certificate(state / "tls")
    settings = {
        "staging.accounts": state / "accounts", "run.directory": state / "run", "log.directory": state / "log",
        "pipeline.journal-directory": state / "journal",
        "ftp.address": "127.0.0.1", "ftp.port": arguments.port, "ftp.implicit-port": 0,
        "ftp.https-port": arguments.port + 1, "ftp.user": "nobody", "ftp.certificate": state / "tls/cert.pem",
        "ftp.private-key": state / "tls/key.pem", "ftp.sessions-per-address": 100_000, "log.level": "notice",
        "ftp.sessions-per-account": 100_000, "ftp.idle-timeout": 3_600,
    } | dict(pair.split("=", 1) for pair in arguments.set)
    words = [arguments.program, "--config", "/dev/null"]
    for key, value in settings.items():
        words += ["--set", f"{key}={value}"]
    with open(state / "log/ffsftpd", "wb") as log:
        daemon = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    for _ in range(200):
        if b"ready" in (state / "log/ffsftpd").read_bytes():
            break
        if daemon.poll() is not None:
            sys.exit((state / "log/ffsftpd").read_text())
        time.sleep(0.05)
    pids = ",".join(map(str, processes(daemon.pid)))
    print(f"ffs:127.0.0.1:{arguments.port}:{ACCOUNT}:{PASSWORD}::{pids}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: daemon.terminate())
    signal.signal(signal.SIGINT, lambda *_: daemon.terminate())
    sys.exit(daemon.wait())


if __name__ == "__main__":
    main()
