"""Writes the section `config` of the chart's values.schema.json from the reference configuration.

    python3 deploy/helm/schema.py            writes it
    python3 deploy/helm/schema.py --check    fails where it is out of date

The reference, deploy/config/jetgate.toml, has every key at its default, which the gateway's own tests hold to the
code. A key's type is that of its value there. Keys that the chart sets from other values are left out, so that
there is one way to set each, and no secret in a ConfigMap.
"""

import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).parent
REFERENCE = HERE.parent / "config" / "jetgate.toml"
SCHEMA = HERE / "jetgate" / "values.schema.json"

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

DURATION = {"type": "string", "pattern": r"^\s*([0-9]+\s*[a-z]+\s*)+$"}
SIZE = {"type": ["string", "integer"], "pattern": r"^[0-9]+\s*([KMG]i?)?B?$"}


def kind(value):
    """The schema of values like this one, which is written in TOML."""
    if value in ("true", "false"):
        return {"type": "boolean"}
    if re.fullmatch(r"-?[0-9_]+", value):
        return {"type": "integer"}
    if re.fullmatch(r"-?[0-9_]+\.[0-9]+", value):
        return {"type": "number"}
    if value.startswith("["):
        return {"type": "array", "items": {"type": "string"}}
    if re.fullmatch(r'"[0-9]+ ?(ms|s|m|h|days?)"', value):
        return DURATION
    if re.fullmatch(r'"[0-9]+ ?[KMG]iB"', value):
        return SIZE
    return {"type": "string"}


def sections(reference):
    """Each section's keys and their schemas."""
    found, section = {}, None
    for line in reference.splitlines():
        if header := re.fullmatch(r"(?:# )?\[([a-z0-9_.]+)\]", line):
            section = found.setdefault(header[1], {})
        elif (setting := re.fullmatch(r"(?:# )?([a-z0-9_]+) = (\S.*)", line)) and section is not None:
            section[setting[1]] = kind(setting[2])
    return found


def config_schema():
    properties = {}
    for name, keys in sections(REFERENCE.read_text()).items():
        for key in SET_BY_THE_CHART.get(name, set()):
            del keys[key]
        if keys:
            properties[name] = {"type": "object", "additionalProperties": False, "properties": keys}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def main():
    schema = json.loads(SCHEMA.read_text())
    schema["properties"]["config"] = config_schema()
    text = json.dumps(schema, indent=2) + "\n"
    if sys.argv[1:] == ["--check"]:
        if SCHEMA.read_text() != text:
            sys.exit("values.schema.json is behind deploy/config/jetgate.toml: run python3 deploy/helm/schema.py")
    else:
        SCHEMA.write_text(text)


if __name__ == "__main__":
    main()
