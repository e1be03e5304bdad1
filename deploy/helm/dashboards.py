"""Writes the Grafana dashboards of the chart.

    python3 deploy/helm/dashboards.py            writes them
    python3 deploy/helm/dashboards.py --check    fails where they are out of date

A dashboard is a list of rows, a row a title and its panels, a panel a title, a unit and its queries with legends.
"""

import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent / "jetgate" / "dashboards"

# Which gateways: those of the chosen job. Which consumers: those of the chosen account and stream.
G = 'job="$job"'
S = 'account=~"$account", stream_name=~"$stream"'
LEADS = f'{S}, is_consumer_leader="true"'


def rate(metric, by, more=""):
    return f"sum by ({by}) (rate({metric}{{{G}{more}}}[$__rate_interval]))"


def quantiles(metric, more="", by=""):
    """Half, most and nearly all of the observations take no longer."""
    return [
        (f"histogram_quantile({q}, sum by (le{by}) (rate({metric}_bucket{{{G}{more}}}[$__rate_interval])))", f"p{q * 100:g}")
        for q in (0.5, 0.95, 0.99)
    ]


def leader(metric):
    return f"max by (stream_name, consumer_name) ({metric}{{{LEADS}}})"


OVERVIEW = [
    ("At a glance", [
        ("Gateways that answer", "short", [(f"sum(up{{{G}}})", "up"), (f"count by (version) (jetgate_build_info{{{G}}})", "{{version}}")]),
        ("Calls that fail", "percentunit", [
            (f'sum(rate(grpc_server_handled_total{{{G},grpc_code=~"Unavailable|Internal|Unknown|DeadlineExceeded|ResourceExhausted|DataLoss"}}[$__rate_interval])) / sum(rate(grpc_server_handled_total{{{G}}}[$__rate_interval])) or vector(0)', "of all")]),
        ("Connections to NATS that are up", "short", [(f"sum by (instance, role) (jetgate_nats_connected{{{G}}})", "{{instance}} {{role}}")]),
        ("Certificate ends in", "s", [(f"min by (instance) (jetgate_tls_certificate_expiry_seconds{{{G}}} > 0) - time()", "{{instance}}")]),
    ]),
    ("Calls", [
        ("Calls that end, by method", "reqps", [(rate("grpc_server_handled_total", "grpc_method"), "{{grpc_method}}")]),
        ("Calls that end, by code", "reqps", [(rate("grpc_server_handled_total", "grpc_code"), "{{grpc_code}}")]),
        ("Time of unary calls", "s", quantiles("grpc_server_handling_seconds", ',grpc_type="unary"')),
        ("Errors by reason", "reqps", [(rate("jetgate_call_errors_total", "reason"), "{{reason}}")]),
    ]),
    ("Connections", [
        ("Callers' connections", "short", [(f"sum by (instance) (jetgate_connections{{{G}}})", "{{instance}}")]),
        ("Connections turned away", "cps", [(rate("jetgate_refused_connections_total", "why"), "{{why}}")]),
        ("Callers refused", "reqps", [(rate("jetgate_refused_callers_total", "instance"), "{{instance}}")]),
        ("Reconnects to NATS", "cps", [(rate("jetgate_nats_reconnects_total", "instance, role"), "{{instance}} {{role}}")]),
        ("Round trip to NATS", "s", quantiles("jetgate_nats_rtt_seconds")),
    ]),
    ("Processes", [
        ("Processor time, in cores", "short", [(rate("process_cpu_seconds_total", "instance"), "{{instance}}")]),
        ("Resident memory", "bytes", [(f"sum by (instance) (process_resident_memory_bytes{{{G}}})", "{{instance}}")]),
        ("Part of the memory for messages", "percentunit", [
            (f"sum by (instance, kind) (jetgate_buffered_bytes{{{G}}}) / on (instance) group_left () sum by (instance) (jetgate_max_buffered_bytes{{{G}}})", "{{instance}} {{kind}}")]),
        ("No room for messages", "cps", [(rate("jetgate_buffer_shortages_total", "instance, kind"), "{{instance}} {{kind}}")]),
        ("Part of the files that may be open", "percentunit", [
            (f"sum by (instance) (process_open_fds{{{G}}}) / sum by (instance) (process_max_fds{{{G}}})", "{{instance}}")]),
        ("Tasks", "short", [
            (f"sum by (instance) (jetgate_runtime_tasks{{{G}}})", "{{instance}}"),
            (f"sum by (instance) (jetgate_runtime_waiting_tasks{{{G}}})", "{{instance}} waiting")]),
        ("Spans of traces dropped", "ops", [(rate("jetgate_spans_dropped_total", "why"), "{{why}}")]),
    ]),
]

MESSAGES = [
    ("Publishing", [
        ("Messages by outcome", "ops", [(rate("jetgate_published_messages_total", "outcome"), "{{outcome}}")]),
        ("Until the answer", "s", quantiles("jetgate_publish_ack_seconds")),
        ("In flight", "short", [(f"sum by (instance) (jetgate_publish_in_flight_messages{{{G}}})", "{{instance}}")]),
        ("Publish streams", "short", [(f"sum by (instance) (jetgate_publish_streams{{{G}}})", "{{instance}}")]),
        ("Outcomes nobody knows", "ops", [(rate("jetgate_published_messages_total", "instance", ',outcome="unknown"'), "{{instance}}")]),
    ]),
    ("Consuming", [
        ("Messages delivered", "ops", [
            (rate("jetgate_delivered_messages_total", "job"), "all"), (rate("jetgate_redelivered_messages_total", "job"), "again")]),
        ("Settlements by kind", "ops", [(rate("jetgate_settlements_total", "kind, outcome"), "{{kind}} {{outcome}}")]),
        ("From a delivery to its settlement", "s", quantiles("jetgate_delivery_settle_seconds")),
        ("Until a settlement is confirmed", "s", quantiles("jetgate_settlement_confirm_seconds")),
        ("Sessions", "short", [(f"sum by (instance) (jetgate_sessions{{{G}}})", "{{instance}}")]),
        ("Messages that callers hold", "short", [(f"sum by (instance) (jetgate_outstanding_messages{{{G}}})", "{{instance}}")]),
        ("Sessions that get nothing, by reason", "short", [(f"sum by (reason) (jetgate_stalled_sessions{{{G}}})", "{{reason}}")]),
        ("Dead letters", "ops", [(rate("jetgate_dead_letters_total", "job"), "written")]),
    ]),
]

JETSTREAM = [
    ("Consumers", [
        ("Lag: messages that wait", "short", [(leader("nats_consumer_num_pending"), "{{stream_name}} {{consumer_name}}")]),
        ("Lag grows by", "ops", [(f"max by (stream_name, consumer_name) (deriv(nats_consumer_num_pending{{{LEADS}}}[$__rate_interval]))", "{{stream_name}} {{consumer_name}}")]),
        ("Waiting for acknowledgement", "short", [(leader("nats_consumer_num_ack_pending"), "{{stream_name}} {{consumer_name}}")]),
        ("Delivered", "ops", [(f"max by (stream_name, consumer_name) (rate(nats_consumer_delivered_consumer_seq{{{LEADS}}}[$__rate_interval]))", "{{stream_name}} {{consumer_name}}")]),
        ("Delivered before", "short", [(leader("nats_consumer_num_redelivered"), "{{stream_name}} {{consumer_name}}")]),
        ("Waiting pulls (512 at most)", "short", [(leader("nats_consumer_num_waiting"), "{{stream_name}} {{consumer_name}}")]),
    ]),
    ("Streams", [
        ("Messages in", "ops", [(f"max by (stream_name) (rate(nats_stream_last_seq{{{S}}}[$__rate_interval]))", "{{stream_name}}")]),
        ("Messages stored", "short", [(f"max by (stream_name) (nats_stream_total_messages{{{S}}})", "{{stream_name}}")]),
        ("Bytes stored", "bytes", [(f"max by (stream_name) (nats_stream_total_bytes{{{S}}})", "{{stream_name}}")]),
        ("Part of max_bytes", "percentunit", [(f"max by (stream_name) (nats_stream_total_bytes{{{S}}}) / max by (stream_name) (nats_stream_limit_bytes{{{S}}} > 0)", "{{stream_name}}")]),
        ("Consumers of a stream", "short", [(f"max by (stream_name) (nats_stream_consumer_count{{{S}}})", "{{stream_name}}")]),
    ]),
    ("Servers", [
        ("Storage used", "bytes", [("max by (server_name) (nats_server_total_message_bytes)", "{{server_name}}")]),
        ("Part of the storage", "percentunit", [("max by (server_name) (nats_server_total_message_bytes) / max by (server_name) (nats_server_max_storage > 0)", "{{server_name}}")]),
        ("Streams and consumers", "short", [("max by (server_name) (nats_server_total_streams)", "{{server_name}} streams"), ("max by (server_name) (nats_server_total_consumers)", "{{server_name}} consumers")]),
    ]),
]

JOB = [("job", "label_values(jetgate_build_info, job)", False)]
STREAMS = [("account", "label_values(nats_stream_total_messages, account)", True),
           ("stream", 'label_values(nats_stream_total_messages{account=~"$account"}, stream_name)', True)]

DASHBOARDS = {
    "overview": ("jetgate: overview", OVERVIEW, JOB),
    "messages": ("jetgate: messages", MESSAGES, JOB),
    "jetstream": ("jetgate: streams and consumers", JETSTREAM, STREAMS),
}

SOURCE = {"type": "prometheus", "uid": "$datasource"}
WIDTH, HEIGHT, COLUMNS = 8, 7, 3


def panel(number, title, unit, queries, x, y):
    return {
        "id": number, "type": "timeseries", "title": title, "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": None if unit == "ops" else 0, "custom": {"fillOpacity": 10}}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": [{"refId": chr(65 + i), "expr": expr, "legendFormat": legend, "datasource": SOURCE}
                    for i, (expr, legend) in enumerate(queries)],
    }


def variable(name, query, several):
    return {
        "name": name, "type": "query", "datasource": SOURCE, "refresh": 2, "sort": 1, "definition": query,
        "query": {"query": query, "refId": name}, "multi": several, "includeAll": several,
        **({"allValue": ".*", "current": {"text": "All", "value": "$__all"}} if several else {}),
    }


def dashboard(name, title, rows, variables):
    panels, y = [], 0
    for heading, row in rows:
        panels.append({"id": len(panels) + 1, "type": "row", "title": heading, "collapsed": False, "panels": [],
                       "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
        y += 1
        for i, (label, unit, queries) in enumerate(row):
            x, line = i % COLUMNS * WIDTH, i // COLUMNS * HEIGHT
            panels.append(panel(len(panels) + 1, label, unit, queries, x, y + line))
        y += (len(row) + COLUMNS - 1) // COLUMNS * HEIGHT
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "refresh": 1}
    return {
        "uid": f"jetgate-{name}", "title": title, "tags": ["jetgate"], "schemaVersion": 39, "version": 1,
        "editable": True, "refresh": "30s", "time": {"from": "now-1h", "to": "now"}, "timezone": "",
        "templating": {"list": [source] + [variable(*item) for item in variables]},
        "links": [{"type": "dashboards", "tags": ["jetgate"], "title": "jetgate", "asDropdown": True, "includeVars": True, "keepTime": True}],
        "panels": panels,
    }


def main():
    for name, (title, rows, variables) in DASHBOARDS.items():
        text = json.dumps(dashboard(name, title, rows, variables), indent=1) + "\n"
        path = FOLDER / f"{name}.json"
        if sys.argv[1:] != ["--check"]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"{path.name} is behind deploy/helm/dashboards.py: run it")


if __name__ == "__main__":
    main()
