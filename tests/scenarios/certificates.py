"""Makes a certificate authority and a certificate for localhost with the openssl command."""

from __future__ import annotations

import pathlib
import subprocess


def make(folder: pathlib.Path) -> dict[str, str]:
    """Makes the files, and returns their paths by what they are: ca, cert and key."""
    ca, ca_key = folder / "ca.pem", folder / "ca.key"
    cert, key, request = folder / "tls.pem", folder / "tls.key", folder / "tls.csr"
    extensions = folder / "tls.ext"
    extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *new_key, "-keyout", str(ca_key), "-out", str(ca), "-days", "2", "-subj", "/CN=scenarios")
    openssl("req", *new_key, "-keyout", str(key), "-out", str(request), "-subj", "/CN=localhost")
    signing = ["-CA", str(ca), "-CAkey", str(ca_key), "-CAcreateserial", "-extfile", str(extensions)]
    openssl("x509", "-req", "-in", str(request), *signing, "-out", str(cert), "-days", "2")
    return {"ca": str(ca), "cert": str(cert), "key": str(key)}


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
