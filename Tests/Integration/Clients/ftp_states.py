#!/usr/bin/python3
"""Every command in every state (ftp_states.txt) against the running daemon: `ftp_states.py CASE`, and fails loudly."""
import os
import re
import socket
import sys
import threading

from ftp_wire import *


class Table:
    def __init__(self):
        self.states, self.rows, self.exceptions = [], [], {}
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "ftp_states.txt"), encoding="utf-8") as text:
            for line in text.read().splitlines():
                if not line or line.startswith("#"):
                    continue
                words = line.split(None, 3)
                if words[0] == "state":
                    setup = [step.strip() for step in words[3].split("; ")] if len(words) > 3 else []
                    self.states.append((words[1], ["out", "in", "data"].index(words[2]), setup))
                elif words[0] == "except":
                    for name in words[1].split(","):
                        self.exceptions[name, words[3]] = words[2]
                else:
                    self.rows.append((words[3].strip(), [words[0], words[1], words[1] if words[2] == "=" else words[2]]))

    def codes(self, name, column, row):
        return self.exceptions.get((name, row[0]), row[1][column])


class Session:
    """A client in one of the table's states."""

    def __init__(self, setup):
        self.client = Client()
        self.passive = self.active = self.sending = None
        self.protected = False
        for step in setup:
            self.step(step)

    def step(self, step):
        client = self.client
        if step == "SIGNIN":
            client.login()
        elif step == "ACTIVE":
            self.active = socket.create_server(("127.0.0.1", 0))
            self.active.settimeout(10)
            port = self.active.getsockname()[1]
            client.expect(f"PORT 127,0,0,1,{port >> 8},{port & 255}", 200)
            self.passive = None
        elif step in ("AWAIT", "SEND"):
            self.sending = step
            client.raw(b"RETR hello.txt\r\n" if step == "AWAIT" else b"RETR big.iso\r\n")
            if step == "SEND":
                self.data = self.connect()
            assert client.reply().startswith("150")
        else:
            self.send(step)

    def send(self, command):
        """The codes of all replies to `command`."""
        self.client.raw(command.encode() + b"\r\n")
        return self.answer(command)

    def answer(self, command):
        client = self.client
        reply = client.reply()
        if reply.startswith("227"):
            numbers = re.search(r"\(([\d,]+)\)", reply).group(1).split(",")
            self.passive = int(numbers[4]) << 8 | int(numbers[5])
        elif reply.startswith("229"):
            self.passive = int(reply.split("|")[3])
        elif reply.startswith("234"):
            client.wrap()
            self.protected = command == "AUTH SSL"
        elif reply.startswith("200") and command.startswith("PROT "):
            self.protected = command == "PROT P"
        if not reply.startswith("150"):
            return reply[:3]
        data = self.connect()
        if self.protected:
            data = client.context.wrap_socket(data, session=client.sock.session)
        drain(data)
        data.close()
        return reply[:3] + "," + client.reply()[:3]

    def connect(self):
        if self.passive:
            return socket.create_connection((HOST, self.passive), 10)
        return self.active.accept()[0]

    def during(self, command):
        """The codes while, or else after, a transfer. What waits is answered after the transfer's own reply."""
        client = self.client
        client.raw(command.encode() + b"\r\n")
        if command == "ABOR":
            codes = client.reply()[:3] + "," + client.reply()[:3]
            assert client.reply_is_missing()
            return codes
        if command.startswith("STAT"):
            code = client.reply()[:3]
            self.finish()
            return code
        self.finish()
        return self.answer(command)

    def finish(self):
        if self.sending == "AWAIT":
            self.data = self.connect()
        assert drain(self.data)
        assert self.client.reply().startswith("226")
        self.passive = None

    def snapshot(self):
        """What the session shows of its state; a port is a new one each time."""
        self.client.raw(b"STAT\r\nPWD\r\nFEAT\r\n")
        text = "\n".join(self.client.reply() for _ in range(3))
        return re.sub(r"Connected from \S+", "", text)

    def close(self):
        self.client.close()
        if self.active:
            self.active.close()


def every_command_in_every_state():
    """The reply's code by the table; a refused command leaves no trace; REIN and AUTH leave nothing."""
    table = Table()
    clean = {}
    for tls in (False, True):
        session = Session((["AUTH TLS"] if tls else []) + ["SIGNIN"])
        clean[tls] = session.snapshot()
        session.close()
    failures = []
    count = [0]

    def play(name, column, setup, row):
        command, wanted = row[0], table.codes(name, column, row)
        session = Session(setup)
        before = session.snapshot() if column and not session.sending else None
        codes = session.during(command) if session.sending else session.send(command)
        if codes != wanted:
            failures.append(f"{name}: {command}: {codes}, not {wanted}")
        elif codes == "221":
            session.client.expect_end()
        elif codes in ("220", "234") and command != "HOST ftp.example.com":
            if not session.client("PWD").startswith("530"):
                failures.append(f"{name}: still signed in after {command}")
            session.step("SIGNIN")
            if session.snapshot() != clean[isinstance(session.client.sock, ssl.SSLSocket)]:
                failures.append(f"{name}: {command} left a trace: {session.snapshot()}")
        elif before and codes[0] in "45" and session.snapshot() != before:
            failures.append(f"{name}: {command} was refused and left a trace: {session.snapshot()}, not {before}")
        elif not column and not session.client("PWD").startswith("530"):
            failures.append(f"{name}: signed in by {command}")
        session.close()
        count[0] += 1

    def state(name, column, setup):
        for row in table.rows:
            try:
                play(name, column, setup, row)
            except Exception as error:  # the rest of the table still counts
                failures.append(f"{name}: {row[0]}: {error!r}")

    threads = [threading.Thread(target=state, args=arguments) for arguments in table.states]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, f"{len(failures)} of {count[0]}:\n" + "\n".join(failures[:40])
    assert count[0] == len(table.states) * len(table.rows) > 3_000


if __name__ == "__main__":
    globals()[sys.argv[1]]()
