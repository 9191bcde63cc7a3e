#!/usr/bin/env python3
"""hang_up_at_ready.py PROGRAM ARGUMENT...: starts a daemon as a service manager does, sends SIGHUP the moment it says
that it is ready, and prints what it said until it is ready again."""
import os
import signal
import socket
import subprocess
import sys
import tempfile

with tempfile.TemporaryDirectory() as directory:
    os.chmod(directory, 0o755)
    place = directory + "/notify"
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(place)
    os.chmod(place, 0o777)
    notify.settimeout(20)
    daemon = subprocess.Popen(sys.argv[1:], env=dict(os.environ, NOTIFY_SOCKET=place))
    try:
        said = []
        while said.count("READY=1") < 2:
            said.append(notify.recv(4096).decode().split("\n")[0])
            if said == ["READY=1"]:
                daemon.send_signal(signal.SIGHUP)
        print(" ".join(said))
    finally:
        daemon.terminate()
        print("status", daemon.wait(20))
