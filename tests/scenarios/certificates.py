"""Makes certificate authorities and a certificate for localhost with the openssl command."""

from __future__ import annotations

import pathlib
import subprocess

NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def make(folder: pathlib.Path) -> dict[str, str]:
    """Makes the files, and returns their paths by what they are: ca, cert, key; other_ca signed nothing."""
    ca, ca_key = authority(folder, "ca")
    cert, key, request = folder / "tls.pem", folder / "tls.key", folder / "tls.csr"
    extensions = folder / "tls.ext"
    extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    openssl("req", *NEW_KEY, "-keyout", str(key), "-out", str(request), "-subj", "/CN=localhost")
    signing = ["-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-extfile", str(extensions)]
    openssl("x509", "-req", "-in", str(request), *signing, "-out", str(cert), "-days", "2")
    other, _ = authority(folder, "other")
    return {"ca": ca, "cert": str(cert), "key": str(key), "other_ca": other}


def authority(folder: pathlib.Path, name: str) -> tuple[str, str]:
    """An authority's certificate and its key."""
    cert, key = str(folder / f"{name}.pem"), str(folder / f"{name}.key")
    openssl("req", "-x509", *NEW_KEY, "-keyout", key, "-out", cert, "-days", "2", "-subj", f"/CN=scenarios {name}")
    return cert, key


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
