"""Writes the section `config` of the chart's values.schema.json from the types of the gateway's configuration.

    python3 deploy/helm/schema.py            writes it
    python3 deploy/helm/schema.py --check    fails where it is out of date

`jetgate config schema` says what its own types read; the gateway is JETGATE_BIN, or what cargo has built. Keys that the
chart sets from other values are left out, so that there is one way to set each, and no secret in a ConfigMap.
"""

import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
SCHEMA = HERE / "jetgate" / "values.schema.json"
BUILT = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE.parents[1] / "target")) / "debug" / "jetgate"
GATEWAY = os.environ.get("JETGATE_BIN") or str(BUILT)

SET_BY_THE_CHART = {
    "server": {"listen", "allow_anonymous"},
    "admin": {"listen"},
    "tls": {"cert_file", "key_file", "client_ca_file"},
    "auth": {"api_keys_file"},
    "nats": {
        "url", "credentials_file", "user", "password", "token", "nkey_seed",
        "tls_ca_file", "tls_cert_file", "tls_key_file",
    },
}


def config_schema():
    printed = subprocess.run([GATEWAY, "config", "schema"], check=True, capture_output=True, timeout=180)
    schema = json.loads(printed.stdout)
    sections = schema["properties"]
    for name, keys in SET_BY_THE_CHART.items():
        for key in keys:
            del sections[name]["properties"][key]
    schema["properties"] = {name: section for name, section in sections.items() if section["properties"]}
    return {key: value for key, value in schema.items() if key not in ("$schema", "title")}


def main():
    schema = json.loads(SCHEMA.read_text())
    schema["properties"]["config"] = config_schema()
    text = json.dumps(schema, indent=2) + "\n"
    if sys.argv[1:] == ["--check"]:
        if SCHEMA.read_text() != text:
            sys.exit("values.schema.json is behind the gateway's configuration: run python3 deploy/helm/schema.py")
    else:
        SCHEMA.write_text(text)


if __name__ == "__main__":
    main()
