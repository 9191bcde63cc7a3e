#!/usr/bin/python3
"""Times the first and the later listings of large folders through a running ffsftpd, over FTP and HTTPS, with the index
that staging writes beside a large account and without.

  listings.py --ffs PROGRAM [--state DIR] [--names 10000,100000] [--rounds 3]

Milliseconds from the command to the last byte, medians; for each round a server that nobody has asked yet. PROGRAM is .build/release/ffsftpd. Needs root, as ffsftpd does chroot(2)."""
import argparse
import base64
import http.client
import os
import pathlib
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import serve_ffs  # noqa: E402

PORT = 2170
KINDS = ("LIST", "MLSD", "NLST", "JSON")


def fill(data, sizes):
    for names in sizes:
        place = data / f"n{names}"
        if place.exists():
            continue
        place.mkdir(parents=True)
        for number in range(names):
            os.close(os.open(place / f"file-{number:06d}.bin", os.O_CREAT | os.O_WRONLY, 0o444))


class Control:
    """A session that asks and reads, nothing more."""

    def __init__(self):
        self.lines = socket.create_connection(("127.0.0.1", PORT)).makefile("rwb")
        self.reply()
        for command in (f"USER {serve_ffs.ACCOUNT}", f"PASS {serve_ffs.PASSWORD}", "TYPE I"):
            self.ask(command)

    def reply(self):
        while True:
            line = self.lines.readline()
            if line[3:4] == b" ":
                return line.decode()

    def ask(self, command):
        self.lines.write(f"{command}\r\n".encode())
        self.lines.flush()
        return self.reply()

    def listing(self, verb, folder):
        port = int(self.ask("EPSV").split("|")[3])
        data = socket.create_connection(("127.0.0.1", port))
        start = time.perf_counter()
        self.ask(f"{verb} {folder}")
        count = 0
        while piece := data.recv(1 << 20):
            count += piece.count(b"\n")
        taken = time.perf_counter() - start
        self.reply()
        return taken, count


def json_listing(folder):
    there = http.client.HTTPSConnection("127.0.0.1", PORT + 1, context=ssl._create_unverified_context())
    there.connect()
    secret = base64.b64encode(f"{serve_ffs.ACCOUNT}:{serve_ffs.PASSWORD}".encode()).decode()
    start = time.perf_counter()
    there.request("GET", f"/a/{serve_ffs.ACCOUNT}/{folder}/?format=json", headers={"authorization": f"Basic {secret}"})
    body = there.getresponse().read()
    return time.perf_counter() - start, body.count(b'"name":')


class Server:
    def __init__(self, arguments, with_index):
        words = [sys.executable, HERE / "serve_ffs.py", arguments.ffs, arguments.state / "data", arguments.state / "ffs",
                 "--port", PORT, "--set", "ftp.workers=1"] + ([] if with_index else ["--without-index"])
        self.process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def stop(self):
        self.process.terminate()
        self.process.wait()


def measure(arguments, sizes, with_index):
    for names in sizes:
        for kind in KINDS:
            first, later = [], []
            for _ in range(arguments.rounds):
                # Nobody has listed it yet.
                server = Server(arguments, with_index)
                try:
                    for times in (first, later):
                        folder = f"n{names}"
                        taken, count = json_listing(folder) if kind == "JSON" else Control().listing(kind, folder)
                        if count != names:
                            sys.exit(f"{kind} of {folder} has {count} names, not {names}")
                        times.append(taken * 1_000)
                finally:
                    server.stop()
            print(f"  {kind} of {names:7,}: first {statistics.median(first):7.1f} ms, "
                  f"later {statistics.median(later):7.1f} ms", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ffs", required=True)
    parser.add_argument("--state", type=pathlib.Path, default=pathlib.Path("/tmp/ffs-bench/listings"))
    parser.add_argument("--names", default="10000,100000")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    sizes = [int(number) for number in arguments.names.split(",")]
    fill(arguments.state / "data", sizes)
    for with_index in (True, False):
        shutil.rmtree(arguments.state / "ffs/accounts" / serve_ffs.ACCOUNT, ignore_errors=True)
        print("with the index" if with_index else "without", flush=True)
        measure(arguments, sizes, with_index)


if __name__ == "__main__":
    main()
