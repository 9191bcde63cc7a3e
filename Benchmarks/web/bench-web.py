#!/usr/bin/env python3
"""Measures a running FFS at its web front: first page, sign-in, and from the click to the account's page.

    bench-web.py URL --ca CERT --customer NAME --password-file FILE --item PRODUCT/VERSION [--item ...] [--rounds N]

Run it beside the daemons with web.sign-in-rate raised above 60 x rounds a minute. The hash that sign-in is compared
with is computed here by the same library, at the cost of auth.hash-cost (--hash-cost), one at a time.
"""
import argparse, ctypes, ctypes.util, html, http.client, re, ssl, statistics, time, urllib.parse

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Browser:
    """One connection, kept; one cookie; forms with the token of their page."""

    def __init__(self, url, context):
        self.host, self.port = url.hostname, url.port or 443
        self.context, self.cookie, self.connection = context, None, None

    def connect(self):
        self.connection = http.client.HTTPSConnection(self.host, self.port, context=self.context, timeout=60)
        self.connection.connect()

    def send(self, method, path, fields=None):
        headers = dict(FORM) if fields else {}
        if self.cookie:
            headers["Cookie"] = self.cookie
        self.connection.request(method, path, urllib.parse.urlencode(fields) if fields else None, headers)
        reply = self.connection.getresponse()
        body = reply.read().decode()
        if reply.getheader("Set-Cookie"):
            self.cookie = reply.getheader("Set-Cookie").split(";")[0]
        return reply, body

    def token(self, body):
        return re.search(r'name="csrf" value="([0-9a-f]{64})"', body).group(1)


def hash_time(password, cost, rounds):
    """Milliseconds of one yescrypt hash."""
    library = ctypes.CDLL(ctypes.util.find_library("crypt"))
    library.crypt_gensalt.restype = library.crypt.restype = ctypes.c_char_p
    library.crypt_gensalt.argtypes = [ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_int]
    setting = library.crypt_gensalt(b"$y$", cost, b"0123456789abcdef", 16)
    return timed(rounds, lambda: library.crypt(password.encode(), setting))


def timed(rounds, body):
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        body()
        times.append((time.perf_counter() - begin) * 1000)
    return times


def report(name, times, target):
    times = sorted(times)
    p50, p95 = statistics.median(times), times[min(len(times) - 1, int(len(times) * 0.95))]
    verdict = "met" if p50 <= target else "MISSED"
    print(f"{name:<44} p50 {p50:7.1f} ms   p95 {p95:7.1f} ms   target {target:6.1f} ms   {verdict}")
    return p50


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", type=urllib.parse.urlsplit)
    parser.add_argument("--ca", required=True)
    parser.add_argument("--customer", required=True)
    parser.add_argument("--password-file", required=True)
    parser.add_argument("--item", action="append", required=True)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--hash-cost", type=int, default=5)
    options = parser.parse_args()
    password = open(options.password_file).read().rstrip("\n")
    context = ssl.create_default_context(cafile=options.ca)

    def first_page():
        browser = Browser(options.url, context)
        browser.connect()
        reply, _ = browser.send("GET", "/sign-in")
        assert reply.status == 200, reply.status

    report("first page, new connection and TLS", timed(options.rounds, first_page), 50)

    bare = statistics.median(hash_time(password, options.hash_cost, options.rounds))
    print(f"{'one yescrypt hash, cost ' + str(options.hash_cost):<44} p50 {bare:7.1f} ms")

    browser = Browser(options.url, context)
    browser.connect()
    times = []
    for _ in range(options.rounds):
        browser.cookie = None
        _, page = browser.send("GET", "/sign-in")
        fields = {"csrf": browser.token(page), "customer": options.customer, "password": password}
        begin = time.perf_counter()
        reply, _ = browser.send("POST", "/sign-in", fields)
        times.append((time.perf_counter() - begin) * 1000)
        assert reply.status == 303, f"sign-in answered {reply.status}; is web.sign-in-rate raised?"
    p50 = report("sign in", times, 1.3 * bare)
    print(f"{'':<44} {p50 / bare:.2f} x the hash")

    report("catalogue", timed(options.rounds, lambda: browser.send("GET", "/")), 50)

    accounts = []

    def click(action, fields):
        reply, _ = browser.send("POST", action, fields)
        assert reply.status == 303, reply.status
        reply, page = browser.send("GET", reply.getheader("Location"))
        assert reply.status == 200 and "This password is shown this once" in page, reply.status
        accounts.append(re.search(r"/accounts/([a-z2-7]+)/revoke", page).group(1))

    for item in options.item:
        times = []
        for _ in range(options.rounds):
            _, page = browser.send("GET", "/")
            action = html.unescape(re.search(r'formaction="([^"]+)"', page).group(1))
            fields = {"csrf": browser.token(page), "item": item, "lifetime": 86400}
            times += timed(1, lambda: click(action, fields))
        report(f"click to account page, {item}", times, 300)

    _, page = browser.send("GET", "/")
    for account in accounts:
        browser.send("POST", f"/accounts/{account}/revoke", {"csrf": browser.token(page)})


main()
