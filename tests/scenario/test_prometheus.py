"""What Prometheus makes of it: promtool has no remark on metrics and rules, and each rule fires and stays quiet there too."""
import json
import re
import subprocess
import urllib.request

import farm
from monitors import add_ips, add_requests, beat, monitor, verb, wait_for_looks  # noqa: F401  (monitor is a fixture)

RULES = farm.ROOT / "deploy" / "prometheus" / "rules.yml"


def promtool(*words, given=None):
    done = subprocess.run(["promtool", *map(str, words)], input=given, text=True, capture_output=True)
    return done.returncode, done.stdout + done.stderr


def edge_text(start, db, tmp_path):
    port = farm.free_port()
    program = start("tracepool-edge", "--edge.listen=127.0.0.1:0", f"--edge.admin_listen=127.0.0.1:{port}", f"--edge.spool_dir={tmp_path}/spool",
                    ready="edge.listening", DATABASE_URL=db.url_as("tracepool_edge"))
    assert program.is_running()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=farm.PATIENCE_S) as answer:
        return answer.read().decode()


def monitor_text(db, monitor):
    """Of a monitor that has everything to show."""
    add_ips(db, 2)
    add_requests(db, 3, "de")
    beat(db)
    db.run("INSERT INTO proxy_providers (provider, secret_name) VALUES ('luna', 'luna')")
    api = monitor(ready="database.up")
    wait_for_looks(db)
    return api.call("GET", "/metrics")[2]


def test_metrics_have_no_remark(start, db, monitor, tmp_path):
    for text in (monitor_text(db, monitor), edge_text(start, db, tmp_path)):
        assert promtool("check", "metrics", given=text) == (0, "")


def test_rules_have_no_remark_and_follow_the_settings(db):
    code, said = promtool("check", "rules", RULES)
    assert code == 0 and "SUCCESS" in said and "WARNING" not in said.upper().replace("SUCCESS", "")
    assert promtool("check", "config", "--syntax-only", RULES.parent / "prometheus.yml")[0] == 0
    assert verb(db, "rules")[1] == RULES.read_text()
    assert 'expr: "tracepool_requests{status=\\"pending\\"} > 77"' in verb(db, "rules", "--alerts.queue_depth=77")[1]


def test_rules_read_only_what_the_monitor_shows(db, monitor):
    shown = set(re.findall(r"^# TYPE (\w+) ", monitor_text(db, monitor), re.MULTILINE))
    read = set(re.findall(r"tracepool_\w+", "".join(line for line in RULES.read_text().splitlines() if "expr:" in line)))
    assert len(read) > 10 and read <= shown


# Series that make each alert fire, and that leave it quiet at its threshold; one sample a minute.
SERIES = {
    "TracepoolWorkers": ("tracepool_workers", 0, 1),
    "TracepoolPoolUtilization": ("tracepool_pool_utilization_ratio", 0.81, 0.8),
    "TracepoolSuccessRate": ("tracepool_success_ratio", 0.89, 0.9),
    "TracepoolUnhealthyIps": ("tracepool_pool_unhealthy_ratio", 0.11, 0.1),
    "TracepoolQueueDepth": ('tracepool_requests{status="pending"}', 21, 20),
    "TracepoolTraceTime": ("tracepool_trace_mean_seconds", 10.1, 10),
    "TracepoolNoFreeIp": ('tracepool_requests_without_ip{country="de"}', 1, 0),
    "TracepoolEventsUntracked": ("tracepool_tracking_stalled_seconds", 301, 300),
    "TracepoolBeaconFailures": ("tracepool_tracking_failed_ratio", 0.11, 0.1),
    "TracepoolSpoolAge": ('tracepool_edge_spool_age_seconds{host="e"}', 61, 60),
    "TracepoolOldestTransaction": ("tracepool_oldest_transaction_seconds", 601, 600),
    "TracepoolCredentialsAge": ('tracepool_credentials_age_seconds{provider="luna"}', 91 * 86400, 90 * 86400),
    "TracepoolChainDrift": ("tracepool_chain_drift_open", 1, 0),
    "TracepoolCertificateErrors": ("tracepool_certificate_errors", 1, 0),
    "TracepoolCertificateExpiry": ('tracepool_certificate_expiry_seconds{host="h"}', 13 * 86400, 14 * 86400),
    "TracepoolEdgeOver500ms": ("tracepool_edge_over_500ms_ratio", 0.0011, 0.001),
    "TracepoolEdgeOver200ms": ("tracepool_edge_over_200ms_ratio", 0.011, 0.01),
    "TracepoolHttpOnlyShare": ("tracepool_http_only_ratio", 0.79, 0.8),
    "TracepoolPoolCeiling": ("tracepool_pool_ceiling_ratio", 0.91, 0.9),
    "TracepoolPoolIdle": ("tracepool_pool_peak_utilization_ratio", 0.59, 0.6),
}


def rules_of_file():
    """{alert: its text}"""
    return {block.split("\n", 1)[0]: block for block in RULES.read_text().split("- alert: ")[1:]}


def field(block, name):
    return re.search(rf'^ *{name}: "?(.*?)"?$', block, re.MULTILINE)[1]


def case(alert, block, value, fires):
    series = SERIES[alert][0]
    labels = dict(re.findall(r'(\w+)="(\w+)"', series))
    expected = {"exp_labels": {**labels, "severity": field(block, "severity"), "rule": field(block, "rule")}}
    return {"interval": "1m", "input_series": [{"series": series, "values": f"{value}x20"}],
            "promql_expr_test": [], "alert_rule_test": [{"eval_time": "15m", "alertname": alert, "exp_alerts": [expected] if fires else []}]}


def without_words(rules, tests):
    """promtool wants every annotation as it comes out; so the rules are tested without theirs."""
    bare = re.sub(r"^ {8}annotations:\n(?: {10}.*\n)+", "", RULES.read_text(), flags=re.MULTILINE)
    rules.write_text(bare)
    return {"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": tests}


def test_every_rule_fires_and_stays_quiet(tmp_path):
    blocks = rules_of_file()
    assert set(blocks) == set(SERIES)
    tests = [case(alert, blocks[alert], SERIES[alert][1 if fires else 2], fires) for alert in SERIES for fires in (True, False)]
    (tmp_path / "test.yml").write_text(json.dumps(without_words(tmp_path / "rules.yml", tests)))
    code, said = promtool("test", "rules", tmp_path / "test.yml")
    assert code == 0 and "SUCCESS" in said, said


def test_a_rule_with_a_time_waits_for_it(tmp_path):
    block = rules_of_file()["TracepoolPoolUtilization"]
    early = case("TracepoolPoolUtilization", block, 0.95, False)
    early["alert_rule_test"][0]["eval_time"] = "4m"
    (tmp_path / "test.yml").write_text(json.dumps(without_words(tmp_path / "rules.yml", [early])))
    assert promtool("test", "rules", tmp_path / "test.yml")[0] == 0


def test_annotations_are_words_for_a_person(tmp_path):
    block = rules_of_file()["TracepoolNoFreeIp"]
    test = case("TracepoolNoFreeIp", block, 3, True)
    test["alert_rule_test"][0]["exp_alerts"][0]["exp_annotations"] = {
        "summary": "Number of due requests in a country without a free IP (de) is 3 (more than 0)",
        "description": field(block, "description"), "runbook_url": field(block, "runbook_url")}
    (tmp_path / "test.yml").write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    code, said = promtool("test", "rules", tmp_path / "test.yml")
    assert code == 0, said
