#!/usr/bin/python3
"""What recording costs: one ffsftpd with a journal and one without, in turn, on the same files.

  journal.py PROGRAM [--rounds N] [--state FOLDER]

PROGRAM is .build/release/ffsftpd. 16 sessions fetch 8,000 files of 4 KiB a round; the figure is the median of the rounds'
ratios, and the servers' processor time a file. Needs root (serve_ffs.py)."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
TICK = os.sysconf("SC_CLK_TCK")
SESSIONS, FILES = 16, 500


def start(program, data, state, port, *settings):
    command = [sys.executable, HERE / "serve_ffs.py", program, data, state, "--port", str(port)]
    for setting in settings:
        command += ["--set", setting]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    name, host, port, user, password, prefix, pids = server.stdout.readline().strip().split(":")
    return server, port, user, password, [int(pid) for pid in pids.split(",")]


def processor_time(pids):
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--state", type=pathlib.Path, default=pathlib.Path("/var/tmp/ffs-bench-journal"))
    arguments = parser.parse_args()
    data, load = arguments.state / "data", arguments.state / "ftpload"
    (data / "s").mkdir(parents=True, exist_ok=True)
    for number in range(FILES):
        path = data / "s" / str(number)
        if not path.exists():
            path.write_bytes(os.urandom(4096))
    subprocess.run(["cc", "-O2", "-pthread", HERE / "ftpload.c", "-o", load, "-lssl", "-lcrypto"], check=True)
    program = arguments.program.absolute()
    servers = {
        "off": start(program, data, arguments.state / "off", 2160, "pipeline.journal-directory="),
        "on": start(program, data, arguments.state / "on", 2170),
    }
    rates, times, ratios = {"on": [], "off": []}, {"on": [], "off": []}, []
    try:
        for turn in range(arguments.rounds + 1):
            for name in ("on", "off") if turn % 2 else ("off", "on"):
                _, port, user, password, pids = servers[name]
                before = processor_time(pids)
                out = subprocess.run(
                    [load, "retr", "-c", str(SESSIONS), "-n", str(FILES), "-f", "s/%d", "--expect", "4096", "-h", "127.0.0.1",
                     "-p", port, "-u", user, "-P", password], check=True, capture_output=True, text=True)
                if turn == 0:
                    continue  # The first one warms up.
                rates[name].append(json.loads(out.stdout)["per_s"])
                times[name].append((processor_time(pids) - before) / (SESSIONS * FILES) * 1e6)
            if turn:
                ratios.append(rates["on"][-1] / rates["off"][-1])
                print(f"round {turn}: on {rates['on'][-1]:,.0f}, off {rates['off'][-1]:,.0f} files/s, ratio {ratios[-1]:.3f}", flush=True)
    finally:
        for server, *_ in servers.values():
            server.terminate()
            server.wait()
    print(f"median: on {statistics.median(rates['on']):,.0f}, off {statistics.median(rates['off']):,.0f} files/s; "
          f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")
    print(f"processor time a file, µs: on {statistics.mean(times['on']):.1f}, off {statistics.mean(times['off']):.1f}")


if __name__ == "__main__":
    main()
