"""Every alert fires when it should and only then, and asks for metrics that exist."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import yaml

import chart
import metrics
from chart import FILES, ROOT, needs

RULES = [FILES / "alerts.yaml", FILES / "alerts-nats.yaml"]

A = 'job="jetgate", instance="a"'
CONSUMER = 'account="APP", stream_name="S", consumer_name="C", is_consumer_leader="true"'
STREAM = 'account="APP", stream_name="S", is_stream_leader="true"'
FOLLOWER = 'account="APP", stream_name="S", consumer_name="C", is_consumer_leader="false", is_stream_leader="false"'

# Each alert: when to look, series that make it fire, and series that do not. A sample a minute: "0+2x60" begins
# at 0 and grows by 2 sixty times.
CASES = {
    "JetgateDown": ("5m", {f"up{{{A}}}": "1 0x10"}, {f"up{{{A}}}": "0 1x10"}),
    "JetgateGone": ("5m", {f"up{{{A}}}": "0x10"}, {f"up{{{A}}}": "1x10", 'up{job="jetgate", instance="b"}': "0x10"}),
    "JetgateNatsDisconnected": (
        "5m",
        {f'jetgate_nats_connected{{{A}, role="requests"}}': "1 0x10", f"jetgate_build_info{{{A}}}": "1x10"},
        {f'jetgate_nats_connected{{{A}, role="requests"}}': "1x10", f"jetgate_build_info{{{A}}}": "1x10"},
    ),
    "JetgateNatsDisconnected (never connected)": (
        "5m", {f"jetgate_build_info{{{A}}}": "1x10"}, {f'jetgate_nats_connected{{{A}, role="requests"}}': "1x10"},
    ),
    "JetgateNatsUnsteady": (
        "30m",
        {f'jetgate_nats_reconnects_total{{{A}, role="requests"}}': "0+1x40"},
        {f'jetgate_nats_reconnects_total{{{A}, role="requests"}}': "0 0 1x40"},
    ),
    "JetgateNatsOutdated": (
        "90m",
        {f'jetgate_nats_outdated{{{A}, role="requests"}}': "1x120"},
        {f'jetgate_nats_outdated{{{A}, role="requests"}}': "0x120"},
    ),
    "JetgateErrors": (
        "20m",
        {f'grpc_server_handled_total{{{A}, grpc_method="Publish", grpc_code="OK"}}': "0+100x30",
         f'grpc_server_handled_total{{{A}, grpc_method="Publish", grpc_code="Unavailable"}}': "0+20x30"},
        {f'grpc_server_handled_total{{{A}, grpc_method="Publish", grpc_code="OK"}}': "0+100x30",
         f'grpc_server_handled_total{{{A}, grpc_method="Publish", grpc_code="InvalidArgument"}}': "0+90x30"},
    ),
    "JetgatePublishSlow": (
        "30m",
        {f'grpc_server_handling_seconds_bucket{{{A}, grpc_method="Publish", le="0.5"}}': "0+10x40",
         f'grpc_server_handling_seconds_bucket{{{A}, grpc_method="Publish", le="1"}}': "0+100x40",
         f'grpc_server_handling_seconds_bucket{{{A}, grpc_method="Publish", le="+Inf"}}': "0+100x40"},
        {f'grpc_server_handling_seconds_bucket{{{A}, grpc_method="Publish", le="0.5"}}': "0+100x40",
         f'grpc_server_handling_seconds_bucket{{{A}, grpc_method="Publish", le="+Inf"}}': "0+100x40",
         # A stream lasts as long as its caller likes.
         f'grpc_server_handling_seconds_bucket{{{A}, grpc_method="PublishStream", le="+Inf"}}': "0+900x40"},
    ),
    "JetgatePublishFailures": (
        "20m",
        {f'jetgate_published_messages_total{{{A}, outcome="failed"}}': "0+10x30",
         f'jetgate_published_messages_total{{{A}, outcome="stored"}}': "0+100x30"},
        {f'jetgate_published_messages_total{{{A}, outcome="failed"}}': "0+1x30",
         f'jetgate_published_messages_total{{{A}, outcome="stored"}}': "0+100x30",
         f'jetgate_published_messages_total{{{A}, outcome="duplicate"}}': "0+100x30"},
    ),
    "JetgateUnknownOutcomes": (
        "15m",
        {f'jetgate_published_messages_total{{{A}, outcome="unknown"}}': "0x9 3x20"},
        {f'jetgate_published_messages_total{{{A}, outcome="unknown"}}': "3x30",
         f'jetgate_published_messages_total{{{A}, outcome="failed"}}': "0+9x30"},
    ),
    "JetgateSettlementsStuck": (
        "40m",
        {f"jetgate_outstanding_messages{{{A}}}": "5x60", f'jetgate_settlements_total{{{A}, kind="ack"}}': "9x60"},
        {f"jetgate_outstanding_messages{{{A}}}": "5x60", f'jetgate_settlements_total{{{A}, kind="ack"}}': "9+1x60"},
    ),
    # Three sessions that get nothing, each of which is opened anew every half an hour (max_stream_age).
    "JetgateHeldByAcks": (
        "90m",
        {f'jetgate_stalled_sessions{{{A}, reason="MAX_ACK_PENDING"}}': "3x120",
         f'jetgate_session_stalls_total{{{A}, reason="MAX_ACK_PENDING"}}': "3+0.1x120"},
        # Work that takes long, in windows that are full, while messages wait.
        {f'jetgate_stalled_sessions{{{A}, reason="WINDOW_FULL"}}': "3x120",
         f'jetgate_session_stalls_total{{{A}, reason="WINDOW_FULL"}}': "3x120",
         f'jetgate_stalled_sessions{{{A}, reason="NO_MESSAGES"}}': "3x120",
         f'jetgate_session_stalls_total{{{A}, reason="NO_MESSAGES"}}': "3x120"},
    ),
    "JetgateHeldByAcks (a limit that all share in turn)": (
        "90m",
        {f'jetgate_stalled_sessions{{{A}, reason="MAX_ACK_PENDING"}}': "0x30 2x90",
         f'jetgate_session_stalls_total{{{A}, reason="MAX_ACK_PENDING"}}': "5x30 7x90"},
        # A message a minute for three sessions, of which one works at a time.
        {f'jetgate_stalled_sessions{{{A}, reason="MAX_ACK_PENDING"}}': "2x120",
         f'jetgate_session_stalls_total{{{A}, reason="MAX_ACK_PENDING"}}': "2+1x120"},
    ),
    "JetgateDeadLetters": (
        "15m", {f"jetgate_dead_letters_total{{{A}}}": "0x9 1x20"}, {f"jetgate_dead_letters_total{{{A}}}": "7x30"},
    ),
    "JetgateFull": (
        "10m",
        {f'jetgate_refused_connections_total{{{A}, why="full"}}': "0+1x20"},
        {f'jetgate_refused_connections_total{{{A}, why="full"}}': "9x20",
         f'jetgate_refused_connections_total{{{A}, why="handshake"}}': "0+1x20"},
    ),
    "JetgateMemoryShort": (
        "20m",
        {f'jetgate_buffer_shortages_total{{{A}, kind="publish_streams"}}': "0+1x30"},
        {f'jetgate_buffer_shortages_total{{{A}, kind="publish_streams"}}': "9x30",
         f'jetgate_buffer_shortages_total{{{A}, kind="deliveries"}}': "0+60x30"},
    ),
    "JetgateMemoryHeld": (
        "30m",
        {f'jetgate_buffered_bytes{{{A}, kind="deliveries"}}': "65x40", f"jetgate_max_buffered_bytes{{{A}}}": "100x40"},
        {f'jetgate_buffered_bytes{{{A}, kind="deliveries"}}': "44x40",
         f'jetgate_buffered_bytes{{{A}, kind="publish_streams"}}': "40x40", f"jetgate_max_buffered_bytes{{{A}}}": "100x40"},
    ),
    "JetgateHandshakesFail": (
        "30m",
        {f'jetgate_refused_connections_total{{{A}, why="handshake"}}': "0+60x40"},
        {f'jetgate_refused_connections_total{{{A}, why="handshake"}}': "0+1x40"},
    ),
    "JetgateCallersRefused": (
        "30m", {f"jetgate_refused_callers_total{{{A}}}": "0+60x40"}, {f"jetgate_refused_callers_total{{{A}}}": "0+1x40"},
    ),
    "JetgateTenantNotLetIn": (
        "30m",
        {f'jetgate_tenant_login_failures_total{{{A}, tenant="acme"}}': "0+10x40"},
        {f'jetgate_tenant_login_failures_total{{{A}, tenant="acme"}}': "7x40"},
    ),
    # The clock of a test begins at 0.
    "JetgateCertificateExpires": (
        "90m",
        {f"jetgate_tls_certificate_expiry_seconds{{{A}}}": "1000000x120"},
        {f"jetgate_tls_certificate_expiry_seconds{{{A}}}": "2000000x120",
         'jetgate_tls_certificate_expiry_seconds{job="jetgate", instance="without TLS"}': "0x120"},
    ),
    "JetgateCertificateExpiresNow": (
        "20m",
        {f"jetgate_tls_certificate_expiry_seconds{{{A}}}": "200000x120"},
        {f"jetgate_tls_certificate_expiry_seconds{{{A}}}": "1000000x120"},
    ),
    "JetgateCertificateRefused": (
        "15m",
        {f"jetgate_tls_reload_failures_total{{{A}}}": "0x9 1x20"},
        {f"jetgate_tls_reload_failures_total{{{A}}}": "1x30"},
    ),
    "JetgateVersionsDiffer": (
        "90m",
        {f'jetgate_build_info{{{A}, version="1"}}': "1x120", f'jetgate_build_info{{{A}, version="2"}}': "1x120"},
        {f'jetgate_build_info{{{A}, version="1"}}': "1x120", f'jetgate_build_info{{{A}, version="2"}}': "1x30"},
    ),
    "ConsumerLagGrows": (
        "45m",
        {f"nats_consumer_num_pending{{{CONSUMER}}}": "2000+100x60"},
        {f"nats_consumer_num_pending{{{CONSUMER}}}": "9000-100x60",
         f"nats_consumer_num_pending{{{FOLLOWER}}}": "2000+100x60"},
    ),
    "ConsumerStuck": (
        "30m",
        {f"nats_consumer_num_pending{{{CONSUMER}}}": "5x60", f"nats_consumer_num_ack_pending{{{CONSUMER}}}": "0x60",
         f"nats_consumer_delivered_consumer_seq{{{CONSUMER}}}": "7x60"},
        {f"nats_consumer_num_pending{{{CONSUMER}}}": "5x60", f"nats_consumer_num_ack_pending{{{CONSUMER}}}": "0x60",
         f"nats_consumer_delivered_consumer_seq{{{CONSUMER}}}": "7+1x60"},
    ),
    "ConsumerHeldByAcks": (
        "30m",
        {f"nats_consumer_num_pending{{{CONSUMER}}}": "5x60",
         f"nats_consumer_num_ack_pending{{{CONSUMER}}}": "1000x60",
         f"nats_consumer_delivered_consumer_seq{{{CONSUMER}}}": "7x60"},
        {f"nats_consumer_num_pending{{{CONSUMER}}}": "0x60",
         f"nats_consumer_num_ack_pending{{{CONSUMER}}}": "1000x60",
         f"nats_consumer_delivered_consumer_seq{{{CONSUMER}}}": "7x60"},
    ),
    "ConsumerRedelivers": (
        "30m",
        {f"nats_consumer_num_redelivered{{{CONSUMER}}}": "50x60", f"nats_consumer_num_ack_pending{{{CONSUMER}}}": "100x60"},
        {f"nats_consumer_num_redelivered{{{CONSUMER}}}": "5x60", f"nats_consumer_num_ack_pending{{{CONSUMER}}}": "5x60"},
    ),
    "ConsumerLeaderless": (
        "10m",
        {f"nats_consumer_num_pending{{{FOLLOWER}}}": "5x20"},
        {f"nats_consumer_num_pending{{{FOLLOWER}}}": "5x20", f"nats_consumer_num_pending{{{CONSUMER}}}": "5x20"},
    ),
    "StreamLeaderless": (
        "10m",
        {f"nats_stream_total_messages{{{FOLLOWER}}}": "5x20"},
        {f"nats_stream_total_messages{{{FOLLOWER}}}": "5x20", f"nats_stream_total_messages{{{STREAM}}}": "5x20"},
    ),
    "StreamNearBytes": (
        "30m",
        {f"nats_stream_total_bytes{{{STREAM}}}": "95x60", f"nats_stream_limit_bytes{{{STREAM}}}": "100x60"},
        {f"nats_stream_total_bytes{{{STREAM}}}": "95x60", f"nats_stream_limit_bytes{{{STREAM}}}": "-1x60"},
    ),
    "StreamNearMessages": (
        "30m",
        {f"nats_stream_total_messages{{{STREAM}}}": "95x60", f"nats_stream_limit_messages{{{STREAM}}}": "100x60"},
        {f"nats_stream_total_messages{{{STREAM}}}": "50x60", f"nats_stream_limit_messages{{{STREAM}}}": "100x60"},
    ),
    "JetStreamStorageNearLimit": (
        "30m",
        {'nats_server_total_message_bytes{server_name="n1"}': "90x60", 'nats_server_max_storage{server_name="n1"}': "100x60"},
        {'nats_server_total_message_bytes{server_name="n1"}': "70x60", 'nats_server_max_storage{server_name="n1"}': "100x60"},
    ),
    "JetStreamNoMetaLeader": (
        "5m",
        {'nats_server_jetstream_disabled{server_name="n1", is_meta_leader="false"}': "0x20"},
        {'nats_server_jetstream_disabled{server_name="n1", is_meta_leader="false"}': "0x20",
         'nats_server_jetstream_disabled{server_name="n2", is_meta_leader="true"}': "0x20"},
    ),
}


def rules():
    for file in RULES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from group["rules"]


def scenario(name, at, series, **fires):
    """What becomes of the series; `fires` are labels of alerts, with whether such a one fires."""
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in series.items()],
        "promql_expr_test": [{
            "expr": f'count(ALERTS{{{label}="{value}", alertstate="firing"}})',
            "eval_time": at,
            "exp_samples": [{"labels": "{}", "value": 1}] if is_firing else [],
        } for label, alerts in fires.items() for value, is_firing in alerts.items()],
    }


class Alerts(unittest.TestCase):
    def judge(self, *tests):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "tests.json"
            file.write_text(json.dumps({"rule_files": [str(rule) for rule in RULES], "tests": tests}))
            done = subprocess.run([os.environ["PROMTOOL"], "test", "rules", str(file)],
                                  capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    @needs("PROMTOOL")
    def test_fire_when_they_should_and_only_then(self):
        tests = []
        for name, (at, firing, quiet) in CASES.items():
            alert = name.split(" ")[0]
            tests += [scenario(f"{name} fires", at, firing, alertname={alert: True}),
                      scenario(f"{name} is quiet", at, quiet, alertname={alert: False})]
        self.judge(*tests)

    @needs("PROMTOOL")
    def test_long_work_is_a_warning_at_most_and_a_consumer_at_its_limit_critical(self):
        """The exporter tells the same of both; only the gateway knows which it is."""
        exporter = {
            f"up{{{A}}}": "1x120",
            f"nats_consumer_num_pending{{{CONSUMER}}}": "5x120",
            f"nats_consumer_num_ack_pending{{{CONSUMER}}}": "3x120",
            f"nats_consumer_delivered_consumer_seq{{{CONSUMER}}}": "7x120",
        }

        def stalled(reason):
            return exporter | {f'{name}{{{A}, reason="{reason}"}}': "3x120"
                               for name in ("jetgate_stalled_sessions", "jetgate_session_stalls_total")}

        self.judge(*(
            scenario(reason, "90m", stalled(reason), severity={"critical": is_critical},
                     alertname={"ConsumerHeldByAcks": True, "JetgateHeldByAcks": is_critical})
            for reason, is_critical in [("WINDOW_FULL", False), ("MAX_ACK_PENDING", True)]))

    def test_reasons_are_those_of_the_contract(self):
        contract = (ROOT / "proto" / "jetgate" / "v1" / "session.proto").read_text()
        reasons = [reason for rule in rules() for reason in re.findall(r'\breason="(\w+)"', rule["expr"])]
        self.assertTrue(reasons)
        for reason in reasons:
            self.assertIn(f"  STALL_REASON_{reason} = ", contract)

    def test_each_has_a_case(self):
        self.assertEqual({rule["alert"] for rule in rules()}, {name.split(" ")[0] for name in CASES})

    def test_each_has_a_severity_a_text_and_a_runbook(self):
        handbook = (ROOT / "deploy" / "README.md").read_text()
        for rule in rules():
            with self.subTest(rule["alert"]):
                self.assertIn(rule["labels"]["severity"], ("warning", "critical"))
                self.assertLessEqual({"summary", "description"}, rule["annotations"].keys())
                self.assertRegex(handbook, rf"(?m)^#+ {rule['alert']}$")

    def test_each_asks_for_metrics_that_exist(self):
        for rule in rules():
            with self.subTest(rule["alert"]):
                self.assertEqual(metrics.names(rule["expr"]) - metrics.known(), set())

    @needs("HELM")
    def test_the_chart_leaves_out_what_is_disabled_and_links_the_runbooks(self):
        values = {"auth": {"allowAnonymous": True}, "monitoring": {"rules": {
            "enabled": True, "disabled": ["JetgateDown"], "runbookURL": "https://example.com/book"}}}
        groups = chart.the(chart.render(values), "PrometheusRule")["spec"]["groups"]
        rendered = {rule["alert"]: rule for group in groups for rule in group["rules"]}
        self.assertEqual(rendered.keys(), {rule["alert"] for rule in rules()} - {"JetgateDown"})
        self.assertEqual(rendered["JetgateGone"]["annotations"]["runbook_url"], "https://example.com/book#jetgategone")

    @needs("HELM")
    def test_the_autoscaler_asks_for_metrics_that_exist(self):
        values = {"auth": {"allowAnonymous": True}, "autoscaling": {"enabled": True, "targetSessionsPerPod": 9}}
        scaler = chart.the(chart.render(values), "HorizontalPodAutoscaler")
        (metric,) = [item["pods"]["metric"]["name"] for item in scaler["spec"]["metrics"] if item["type"] == "Pods"]
        self.assertIn(metric, metrics.known())
