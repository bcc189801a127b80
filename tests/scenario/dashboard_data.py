"""A house in operation, as rows: what the dashboard's test looks at, and its screenshots show.

Everything is made of one seeded generator, so that two runs look alike.
"""
import datetime
import json
import math
import random
import struct
import uuid
import zlib

COUNTRIES = {"us": 24, "gb": 10, "de": 8, "ca": 6}
OFFERS = [
    ("summer-shoes", "us", "https://go.northpeak.example/c/4471?cid={click_id}", "shop.northpeak.example", "http_only", "http_sufficient"),
    ("travel-uk", "gb", "https://trk.islandtrips.example/r?o=88", "www.islandtrips.example", "http_only", "http_sufficient"),
    ("phone-plan", "us", "https://click.telcora.example/t/9?src=tp", "plans.telcora.example", "browser", "js_redirect"),
    ("buecher-de", "de", "https://l.lesezeit.example/a?p=12", "www.lesezeit.example", "http_only", "http_sufficient"),
    ("maple-gear", "ca", "https://go.maplegear.example/k/3", "maplegear.example", "http_only", "http_sufficient"),
]
HOSTILE = "</title><script>document.title='owned'</script><img src=x onerror=document.title='owned'>"
HOSTILE_ID = "0193a000-0000-7000-8000-00000000dead"


def png(width, height):
    """A small picture without a library: a page with a bar on top."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes((29, 87, 201) if y < height // 6 else (238, 241, 245)) * width for y in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def hop(url, status, via, start, took, **more):
    dns, connect, tls = (3, 41, 96) if url.startswith("https") else (2, 38, None)
    return {"url": url, "status": status, "via": via, "method": "GET", "remote_address": "127.0.0.7:7000", "http_version": "1.1",
            "tls": {"version": "TLSv1.3", "subject": "CN=northpeak.example", "issuer": "CN=Example CA", "not_after": "2027-03-01T00:00:00Z",
                    "error": None} if tls else None,
            "content_type": "text/html", "started_ms": start,
            "timing_ms": {"dns": dns, "connect": connect, "tls": tls, "first_byte": max(took - 30, 100), "total": took},
            "header_bytes": 412, "body_bytes": 0 if status < 300 or status >= 400 else 1830,
            "headers": [["Server", "nginx"], ["Cache-Control", "no-store"]], "cookies_set": [], "notes": [], **more}


def chain(rng, url, final, mode):
    click = f"{rng.getrandbits(48):012x}"
    steps = [(url.replace("{click_id}", "tp-test"), 302, "start"),
             (f"https://www.affnet.example/click?aff=1207&sub=tp&clickid={click}", 301, "http_302"),
             (f"http://r.affnet.example/go?clickid={click}&aff=1207", 302, "http_301"),
             (f"https://{final}/landing?utm_source=affnet&utm_medium=cpc&clickid={click}", 200, "js_location" if mode == "browser" else "http_302")]
    at, hops = 0, []
    for i, (address, status, via) in enumerate(steps):
        took = rng.randint(180, 520) * (3 if mode == "browser" and i == 3 else 1)
        hops.append(hop(address, status, via, at, took))
        at += took + rng.randint(2, 12)
    hops[1]["cookies_set"], hops[3]["body_bytes"] = ["affsess", "vid"], 48211
    return hops, at


def attempt(db, request, ended, status="completed", outcome="ok", **more):
    row = {"request_id": request, "attempt": 1, "ip_address": "us-res-0004", "worker": "farm-1.2201.1", "ended_at": ended, "outcome": outcome,
           "blame": "none", "new_status": status, "mode_used": "http_only", "trace_ms": 1480, "response_ms": 210, "wait_ms": 900, **more}
    db.run(f"INSERT INTO trace_attempts ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})", *row.values())


def insert_trace(db, **row):
    row = {"request_id": str(uuid.uuid4()), "max_retries": 2, "next_attempt_at": None, "click_path": "/functions/v1/track-hit-instant", **row}
    values = [json.dumps(v) if isinstance(v, (dict, list)) else v for v in row.values()]
    db.run(f"INSERT INTO active_trace_requests ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})", *values)
    return row["request_id"]


def add_pool(db):
    for country, n in COUNTRIES.items():
        db.run("INSERT INTO ip_rotation_pool (ip_address, country, provider, total_uses, success_count, failure_count, avg_response_time_ms, last_used_at) "
               "SELECT %s || '-res-' || lpad(i::text, 4, '0'), %s, 'other', 300 + i * 7, 290 + i * 7, i %% 9, 180 + i * 11, "
               "clock_timestamp() - i * interval '9 s' FROM generate_series(1, %s) AS i", country, country, n)
    # Leases are taken by the product's own function below; here are the resting and the ill.
    db.run("UPDATE ip_rotation_pool SET status = 'cooldown', locked_until = clock_timestamp() + (20 + random() * 38) * interval '1 s', "
           "revision = revision + 1 WHERE substr(ip_address, 8)::int % 2 = 0")
    db.run("UPDATE ip_rotation_pool SET is_healthy = false, consecutive_failures = 5, status = 'failed', revision = revision + 1, "
           "next_probe_at = clock_timestamp() + interval '4 min' WHERE ip_address IN ('us-res-0024', 'gb-res-0010')")


def add_offers(db):
    for name, country, url, host, mode, _ in OFFERS:
        db.run("INSERT INTO offers (offer_name, target_country, tracking_urls, final_url, tracer_mode, expected_params, evidence) "
               "VALUES (%s, %s, %s, %s, 'auto', '{clickid}', %s)", name, country, json.dumps([{"url": url, "weight": 3}, {"url": url + "&v=b", "weight": 1}]),
               f"https://{host}/", ["screenshot", "har"] if mode == "browser" else [])


def add_finished(db, rng, now, count):
    ids = []
    for i in range(count):
        name, country, url, host, mode, reason = rng.choice(OFFERS)
        hops, took = chain(rng, url, host, mode)
        clicked = now - datetime.timedelta(seconds=4 + i * 6 + rng.random() * 3)
        wait = rng.randint(120, 900)
        ended = clicked + datetime.timedelta(milliseconds=wait + took)
        failed = i % 17 == 9
        status = "failed" if failed else "completed"
        trace = insert_trace(db, request_id=str(uuid.UUID(int=rng.getrandbits(128), version=4)), offer_name=name, target_country=country, tracking_url=hops[0]["url"], status=status,
                             outcome="error" if failed else "ok", error_code="target_tls" if failed else None,
                             error_message="target_tls: certificate has expired" if failed else None,
                             started_at=clicked, ip_locked_at=clicked + datetime.timedelta(milliseconds=wait), completed_at=ended,
                             ip_assigned=f"{country}-res-0003", final_url=None if failed else hops[-1]["url"], redirect_chain=hops[:2] if failed else hops,
                             extracted_params={} if failed else {"clickid": "5d1c0a77b2e4", "utm_source": "affnet", "utm_medium": "cpc", "aff": "1207"},
                             inbound_params={"click_id": "tp-test", "gclid": "Cj0KCQ"}, tracer_mode_used=mode, detection_reason=reason, attempt=1,
                             wait_time_ms=wait, trace_time_ms=took, total_time_ms=wait + took, bandwidth_kb=53)
        attempt(db, trace, ended, status, "error" if failed else "ok", mode_used=mode, reason=reason, trace_ms=took, wait_ms=wait, ip_address=f"{country}-res-0003",
                **({"error": "target_tls", "detail": "certificate has expired", "blame": "target"} if failed else {}))
        ids.append((trace, mode, failed))
    return ids


def add_statistics(db, rng, now):
    rows = []
    for minute in range(24 * 60, 0, -2):
        wave = 0.62 + 0.24 * math.sin((minute - 300) / 1440 * 2 * math.pi + 1.2) + rng.uniform(-0.05, 0.05)
        if 610 < minute < 650:
            continue   # the monitor was being moved: a hole in the line
        used = int(48 * min(wave, 0.97))
        rows.append((now - datetime.timedelta(minutes=minute), 48, 48 - used - 2, used // 3, used - used // 3, 2, 6, max(0, int((wave - .72) * 60)),
                     int(200 + wave * 520), int(1000 + wave * 650), round(100 * used / 48), int(88 * wave), int(6 * wave + .6), rng.choice([97, 98, 98, 99, 100]), "{}",
                     json.dumps({"clicks": int(300 * wave), "skipped": int(22 * wave), "http_only": int(190 * wave), "browser": int(41 * wave), "failed": int(9 * wave)}),
                     json.dumps({"edge": {"over_200ms_percent": 0.01 * wave, "over_500ms_percent": 0}})))
    for row in rows:
        db.run("INSERT INTO ip_pool_statistics (recorded_at, total_ips, available_ips, locked_ips, cooldown_ips, failed_ips, active_requests, requests_queued, "
               "avg_wait_time_ms, avg_trace_time_ms, pool_utilization_percent, completed_requests_1h, failed_requests_1h, success_rate_5min, country_breakdown, "
               "last_minute, promises) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", *row)


def add_processes(db):
    for program, host, pid, version, age in (("edge", "web-1", 812, "0.1.0", 93000), ("edge", "web-2", 790, "0.1.0", 93000),
                                             ("worker", "farm-1", 2201, "0.1.0", 40000), ("worker", "farm-1", 2202, "0.1.0", 40000)):
        db.run("SELECT process_heartbeat(%s::jsonb)", json.dumps({"incarnation": f"{host}.{pid}.1", "program": program, "host": host, "pid": pid,
                                                                  "version": version, "started_ms_ago": age * 1000, "counters": {},
                                                                  "spool_age_s": 0.4 if host == "web-2" else None}))


def add_browser_extras(db, request):
    """Evidence and an ad view for one trace."""
    db.run("INSERT INTO trace_evidence (request_id, attempt, kind, content_type, body) VALUES (%s, 1, 'screenshot', 'image/png', %s), "
           "(%s, 1, 'har', 'application/json', %s)", request, png(640, 400), request, json.dumps({"log": {"version": "1.2", "entries": []}}).encode())
    for kind, kept in (("cookies", {"cookies": [{"name": "sid", "value": HOSTILE, "domain": "shop.example", "host_only": False, "path": "/", "expires": None,
                                                 "secure": True, "http_only": True, "same_site": "Lax"}], "left_out": 0}),
                       ("console", {"messages": [{"kind": "exception", "text": f"Uncaught TypeError: {HOSTILE}", "source": "https://shop.example/app.js",
                                                  "line": 10, "column": 5, "hop": 4, "page": "https://shop.example/"}], "left_out": 0})):
        db.run("INSERT INTO trace_evidence (request_id, attempt, kind, content_type, body) VALUES (%s, 1, %s, 'application/json', %s)",
               request, kind, json.dumps(kept).encode())
    view = str(uuid.UUID(int=7, version=4))
    for i, (event, ord_, state) in enumerate((("impression", 0, "tracked"), ("start", 10, "tracked"), ("firstQuartile", 25, "waiting"), ("complete", 100, "pending"))):
        db.run("INSERT INTO tracking_events (request_id, ad_view_id, event, ord, is_billing, url_template, url, host, dedup_key, state, attempts, response_ms) "
               "VALUES (%s, %s, %s, %s, %s, %s, %s, 'ads.telcora.example', %s, %s, %s, %s)", request, view, event, ord_, event == "impression",
               f"https://ads.telcora.example/e?ev={event}&cb=[CACHEBUSTING]", f"https://ads.telcora.example/e?ev={event}&cb=81442207", f"{request}{i}".encode(),
               state, 1 if state == "tracked" else 0, 96 if state == "tracked" else None)


def add_drift(db, now):
    """A chain that is expected, and another way that traces of the first offer went: hostile, as all that targets say."""
    expected = {"hops": ["https://go.northpeak.example", "https://www.affnet.example", "https://shop.northpeak.example"], "final": "https://shop.northpeak.example",
                "params": ["clickid", "utm_source"], "carried": ["cid"], "issuers": {}}
    seen = {"hops": expected["hops"][:2] + ["https://r9.newbroker.example", f"http://{HOSTILE}"], "params": ["cid"], "sent": ["cid"], "issuers": {}}
    offer = db.value("SELECT id FROM offers WHERE offer_name = 'summer-shoes'")
    learnt = db.value("INSERT INTO chain_expectations (offer_id, country, start_url, source, shape, traces) VALUES (%s, 'us', 'https://go.northpeak.example/c/4471', "
                      "'learnt', %s, 20) RETURNING id", offer, json.dumps(expected))
    trace = db.value("SELECT request_id FROM active_trace_requests WHERE offer_name = 'summer-shoes' ORDER BY started_at DESC LIMIT 1")
    db.run("INSERT INTO chain_drift_events (offer_id, offer_name, country, start_url, shape_key, expectation_id, expected, seen, differences, traces, first_request_id, "
           "last_request_id, first_at, last_at) VALUES (%s, 'summer-shoes', 'us', 'https://go.northpeak.example/c/4471', 'x', %s, %s, %s, %s, 14, %s, %s, %s, %s)",
           offer, learnt, json.dumps(expected), json.dumps(seen), [f"final host: {HOSTILE} instead of shop.northpeak.example", "new host: r9.newbroker.example",
                                                                   "longer: 4 hops instead of 3", "lost parameter: utm_source"],
           trace, trace, now - datetime.timedelta(hours=3), now - datetime.timedelta(minutes=2))


def add_hostile(db, now):
    """Everything that a target can say, in markup."""
    url = f"https://evil.example/{HOSTILE}?q={HOSTILE}&name=%3Cscript%3Ealert(1)%3C/script%3E"
    insert_trace(db, request_id=HOSTILE_ID, offer_name=HOSTILE, tracking_url=url, final_url="javascript:document.title='owned'", status="failed", outcome="error",
                 error_code="target_tls", error_message=HOSTILE, target_country="us", extracted_params={HOSTILE: HOSTILE}, inbound_params={HOSTILE: [HOSTILE]},
                 started_at=now - datetime.timedelta(minutes=50), skip_reason=HOSTILE,
                 redirect_chain=[hop(url, 302, "start", 0, 120, notes=[HOSTILE], headers=[[HOSTILE, HOSTILE]], cookies_set=[HOSTILE]),
                                 {"url": "javascript:document.title='owned'", "status": None, "via": HOSTILE}, {"url": HOSTILE}])


def add_detection(db):
    """Samples of one offer that HTTP missed something on: it has learnt to go to the browser."""
    compared = json.dumps({"agreed": False, "final_host": False, "final_url": False, "params": True, "hosts": False, "status": True,
                                     "difference": "missed", "http": "https://trk.islandtrips.example/wait", "browser": "https://www.islandtrips.example/"})
    db.run("UPDATE trace_attempts a SET offer_id = o.id, reason = t.detection_reason, http_ms = 210, "
           "compared = CASE WHEN o.offer_name = 'travel-uk' THEN %s::jsonb END, browser_ms = CASE WHEN o.offer_name = 'travel-uk' THEN 1900 END "
           "FROM active_trace_requests t JOIN offers o USING (offer_name) WHERE t.request_id = a.request_id", compared)
    db.run("UPDATE detection_progress SET counted_to = '-infinity'")
    db.run("SELECT * FROM learn_from_traces('0', 1000000)")


def fill(db, traces=60):
    """The whole house. Returns {"http", "browser", "failed"}: ids of traces of each kind."""
    rng = random.Random(20)
    now = db.value("SELECT clock_timestamp()")
    add_pool(db)
    add_offers(db)
    finished = add_finished(db, rng, now, traces)
    db.run("INSERT INTO active_trace_requests (offer_name, tracking_url, target_country, click_path) SELECT 'summer-shoes', "
           "'https://go.northpeak.example/c/4471?cid=tp-test&n=' || i, 'us', '/functions/v1/track-hit-instant' FROM generate_series(1, 9) AS i")
    db.run("SELECT * FROM claim_traces(6, 'farm-1.2201.1', 600000, NULL, NULL, NULL)")
    add_detection(db)
    add_statistics(db, rng, now)
    add_processes(db)
    kinds = {"http": next(t for t, mode, failed in finished if mode == "http_only" and not failed),
             "browser": next(t for t, mode, failed in finished if mode == "browser" and not failed),
             "failed": next(t for t, _, failed in finished if failed)}
    add_browser_extras(db, kinds["browser"])
    add_hostile(db, now)
    add_drift(db, now)
    return kinds
