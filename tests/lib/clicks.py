"""Clicks for scenario tests: one at a time with the whole answer, or many from several threads.

Every click of a crowd carries an id of its own (`cid`), and those that were answered 302 are remembered:
each of them must be exactly one row afterwards, whatever happened meanwhile.
"""
import contextlib
import http.client
import threading
import time
import uuid

import farm

PATH = "/functions/v1/track-hit-instant"


def ask(port, target, method="GET", headers=None, body=None):
    """(status, headers, body) of one request on a connection of its own. target goes out as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=farm.PATIENCE_S)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def click(port, query, **options):
    return ask(port, f"{PATH}?{query}", **options)


class Crowd:
    """Threads that click until they are told to stop; connections are kept alive and opened again."""

    def __init__(self, port, offer, threads=8, pause_s=0.002, address="127.0.0.1", host=None):
        """host: where the visitors are (netns.Host); else on this machine."""
        self.port, self.offer, self.pause_s = port, offer, pause_s
        self.address, self.host = address, host
        self.run = uuid.uuid4().hex[:12]
        self.acknowledged, self.others, self.broken = [], [], []
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self._click, args=(n,), daemon=True) for n in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()

    def _connect(self):
        connection = http.client.HTTPConnection(self.address, self.port, timeout=farm.PATIENCE_S)
        with self.host.inside() if self.host else contextlib.nullcontext():
            connection.connect()
        return connection

    def _click(self, number):
        connection, sent = None, 0
        while not self.is_over.is_set():
            cid = f"{self.run}-{number}-{sent}"
            sent += 1
            try:
                if connection is None:
                    connection = self._connect()
                connection.request("GET", f"{PATH}?offer={self.offer}&cid={cid}")
                answer = connection.getresponse()
                answer.read()
                (self.acknowledged if answer.status == 302 else self.others).append(
                    cid if answer.status == 302 else (cid, answer.status))
                if answer.will_close:
                    connection.close()
                    connection = None
            except OSError as error:
                self.broken.append((cid, repr(error)))
                connection = None
            except http.client.HTTPException as error:
                self.broken.append((cid, repr(error)))
                connection = None
            time.sleep(self.pause_s)

    def wait_for(self, count):
        """Until so many more clicks are acknowledged."""
        goal = len(self.acknowledged) + count
        farm.wait_for(lambda: len(self.acknowledged) >= goal, f"{goal} clicks answered 302")

    def expect_rows(self, db):
        """Every acknowledged click is exactly one row. (One that was not may be a row too.)"""
        def rows():
            return db.run("SELECT inbound_params->>'cid' AS cid, count(*) AS n FROM active_trace_requests "
                          "WHERE inbound_params->>'cid' LIKE %s GROUP BY 1", self.run + "-%")

        def missing():
            return sorted(set(self.acknowledged) - {row["cid"] for row in rows()})

        assert self.acknowledged
        farm.wait_for(lambda: not missing(), f"rows of {len(self.acknowledged)} clicks")
        assert [row for row in rows() if row["n"] != 1] == []
