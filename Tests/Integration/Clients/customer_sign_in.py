"""Customers who sign in with their own names, byte by byte. usage: customer_sign_in.py CASE; each prints what it found."""
import os
import sys
import threading
import time

from ftp_wire import Client, eventually, tls_context

CUSTOMER = os.environ["FFS_CUSTOMER"]
PASSWORD = os.environ["FFS_CUSTOMER_PASSWORD"]


def attempt(name, password):
    """(reply to PASS, seconds)"""
    client = Client().auth()
    client.expect(f"USER {name}", 331)
    start = time.monotonic()
    reply = client(f"PASS {password}")
    took = time.monotonic() - start
    client.close()
    return reply, took


def refusals():
    """Wrong password, unknown and disabled customer, a name like an account's, no customer's name: none can be told."""
    names = [(CUSTOMER, "wrong"), ("nobody.such", PASSWORD), ("closed", PASSWORD), ("aaaaaaaaaaaaaaaa", PASSWORD),
             ("not a name", PASSWORD)]
    for name, password in names:
        for _ in range(2):
            reply, took = attempt(name, password)
            assert reply == "530 Login incorrect.", (name, reply)
            # At the second tick of the server's clock after PASS, or on a busy machine at the fourth.
            assert 0.9 < took < 4.5, (name, took)


def lock_out():
    """From one address; another address is not locked out. Nothing tells that from a wrong password, as with accounts."""
    for _ in range(3):
        reply, _ = attempt(CUSTOMER, "wrong")
        assert reply.startswith("530"), reply
    for password in [PASSWORD, "wrong"]:
        reply, took = attempt(CUSTOMER, password)
        assert reply == "530 Login incorrect." and 0.9 < took < 4.5, (reply, took)
    other = Client(source="127.0.0.2").auth()
    other.expect(f"USER {CUSTOMER}", 331)
    other.expect(f"PASS {PASSWORD}", 230)


def clear():
    """A customer's password is not even asked for in clear; a name like an account's is."""
    client = Client()
    assert client(f"USER {CUSTOMER}") == "530 Customers sign in under TLS here: AUTH TLS first."
    client.expect("PASS secret", 503)
    client.expect("USER aaaaaaaaaaaaaaaa", 331)
    client.auth()
    client.login(CUSTOMER, PASSWORD)


def pipelined():
    """What is sent behind PASS waits for the answer, in order; the session is a whole one."""
    client = Client().auth()
    client.expect(f"USER {CUSTOMER}", 331)
    client.raw(f"PASS {PASSWORD}\r\nPWD\r\nSYST\r\n".encode())
    assert client.reply().startswith("230"), "230"
    assert client.reply().startswith("257"), "257"
    assert client.reply().startswith("215"), "215"
    client.protect()
    client.is_protected = True
    reply, listing = client.transfer("MLSD")
    assert reply.startswith("226") and b"SHA256SUMS" in listing, (reply, listing)
    client.expect("REIN", 220)
    client.expect("PWD", 530)
    client.login(CUSTOMER, PASSWORD)
    # A client that goes away in between costs nothing.
    gone = Client().auth()
    gone.expect(f"USER {CUSTOMER}", 331)
    gone.raw(f"PASS {PASSWORD}\r\n".encode())
    gone.close()
    client.expect("PWD", 257)


def parallel():
    """Sixteen at once, after a slip of the fingers."""
    replies = []
    assert attempt(CUSTOMER, "wrong")[0].startswith("530")

    def run():
        replies.append(attempt(CUSTOMER, PASSWORD)[0])

    threads = [threading.Thread(target=run) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [reply[:3] for reply in replies] == ["230"] * 16, replies


def crowd():
    """Seventy from one address while ffsauthd hangs: some are sent away, all are told in time, nobody else waits."""
    replies = []

    def run():
        replies.append(attempt(CUSTOMER, PASSWORD))

    threads = [threading.Thread(target=run) for _ in range(70)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(replies) > 0, 20)
    start = time.monotonic()
    other = Client()
    other.expect("FEAT", 211)
    other.expect("USER aaaaaaaaaaaaaaaa", 331)
    assert time.monotonic() - start < 3, "a session waits for those of others"
    for thread in threads:
        thread.join()
    busy = [reply for reply, _ in replies if reply.startswith("421 Too many people")]
    unavailable = [reply for reply, _ in replies if reply.startswith("421 Your name and password cannot be checked")]
    assert len(busy) == 6 and len(unavailable) == 64, replies
    assert max(took for _, took in replies) < 15, replies


def unavailable():
    """Soon, in a plain sentence; and accounts are served as ever."""
    reply, took = attempt(CUSTOMER, PASSWORD)
    assert reply == "421 Your name and password cannot be checked at present; please try again later.", reply
    assert took < 11, took
    client = Client().auth()
    client.login()


def available():
    eventually(lambda: attempt(CUSTOMER, PASSWORD)[0].startswith("230"), 20)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
