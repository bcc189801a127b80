"""Ad views in the outbox, without a trace before them: what tests of the sender need.

    ads = AdViews(db)
    offer = ads.offer()                                  one that asks for fire
    ads.allow("127.0.9.2")
    view = ads.plan([("impression", 0, url), ("start", 0, url), ("click", None, url)])
    ads.state(view)                                      {event: state, ...}
    ads.forward(300)                                     five minutes later
    ads.settled()                                        waits until nothing is pending (and due) or sending
"""
import uuid

import psycopg2.extras

BILLING = ("impression", "click", "viewable")


class AdViews:
    def __init__(self, db):
        self.db = db
        self.offer_id = None

    def offer(self, mode="fire"):
        self.offer_id = self.db.value(
            "INSERT INTO offers (offer_name, final_url, tracking_mode) VALUES (%s, 'http://shop.test/', %s) RETURNING id",
            f"offer-{uuid.uuid4()}", mode)
        return self.offer_id

    def allow(self, *hosts):
        for host in hosts:
            self.db.run("INSERT INTO tracking_allowed_hosts (host, owner, purpose) VALUES (%s, 'us', 'test')", host)

    def request(self):
        """A finished request of the offer; its id."""
        return self.db.value(
            "INSERT INTO active_trace_requests (tracking_url, offer_id, status, next_attempt_at) "
            "VALUES ('http://go.test/', %s, 'completed', NULL) RETURNING request_id", self.offer_id)

    @staticmethod
    def events(rows):
        """(event, at_ms or None, url) as plan_ad_view reads them; each moment is a step of its own."""
        events, ord_, last = [], 0, None
        for event, at_ms, url in rows:
            if event in ("impression", "error"):
                step = 0
            elif at_ms is None:
                step = 1
            else:
                ord_ += (event, at_ms) != last
                step, last = ord_, (event, at_ms)
            events.append({"event": event, "ord": step, "at_ms": at_ms, "billing": event in BILLING, "template": url})
        return events

    def plan(self, rows, mode="fire", **more):
        view = {"ad": 0, "creative": 0, "creative_id": "c1", "duration_ms": 4000, "events": self.events(rows), **more}
        request = self.request()
        self.db.run("SELECT plan_ad_view(%s, %s, %s)", request, psycopg2.extras.Json(view), mode)
        return request

    def rows(self, request=None):
        return self.db.run("SELECT * FROM tracking_events WHERE %s::uuid IS NULL OR request_id = %s ORDER BY id", request, request)

    def state(self, request):
        return {row["event"]: row["state"] for row in self.rows(request)}

    def forward(self, seconds):
        """The clock of all schedules goes forward: what is due in so many seconds is due now."""
        self.db.run("UPDATE tracking_events SET due_at = due_at - %s * interval '1 s', expires_at = expires_at - %s * interval '1 s' "
                    "WHERE state IN ('pending', 'waiting') AND due_at < 'infinity'", seconds, seconds)
        self.db.run("NOTIFY tracepool_tracking")

    def settled(self, timeout=60):
        self.db.wait_for("SELECT NOT EXISTS (SELECT FROM tracking_events WHERE state = 'sending' "
                         "OR (state IN ('pending', 'waiting') AND due_at < 'infinity'))", timeout=timeout)
