"""What a client proves itself with, and what it trusts."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable

import grpc


@dataclasses.dataclass(frozen=True)
class Credentials:
    """What a client proves itself with, and what it trusts. Files are PEM; a path or the bytes themselves."""

    api_key: str | None = dataclasses.field(default=None, repr=False)
    """The caller's key."""
    token: Callable[[], str] | None = None
    """Asked for a bearer token at each call, where tokens change; instead of `api_key`."""
    ca: str | os.PathLike[str] | bytes | None = None
    """Trust gateways that these certificates sign, instead of gRPC's own list."""
    cert: str | os.PathLike[str] | bytes | None = None
    """The client's certificate, and with it `key`."""
    key: str | os.PathLike[str] | bytes | None = dataclasses.field(default=None, repr=False)
    """Its private key."""
    server_name: str | None = None
    """The name that the gateway's certificate has to have, where it is not that of the address."""

    def __post_init__(self) -> None:
        if self.api_key is not None and self.token is not None:
            raise ValueError("give api_key or token, not both")
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key go together")

    @property
    def wants_tls(self) -> bool:
        return self.ca is not None or self.cert is not None

    def channel(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(_pem(self.ca), _pem(self.key), _pem(self.cert))

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with each call. A key is sent without TLS, too: on loopback, or where a proxy adds TLS."""
        bearer = self.token() if self.token is not None else self.api_key
        return () if bearer is None else (("authorization", f"Bearer {bearer}"),)


def _pem(what: str | os.PathLike[str] | bytes | None) -> bytes | None:
    if what is None or isinstance(what, bytes):
        return what
    return pathlib.Path(what).read_bytes()
