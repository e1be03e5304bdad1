"""Addresses, and what secures the connections to them."""

from __future__ import annotations

import pathlib
import runpy

import pytest
from world import SCENARIOS, World

import jetgate


@pytest.mark.parametrize("target", ["", "localhost", "ftp://localhost:1", ["http://a"]])
def test_a_target_that_is_no_address_is_refused(target: str | list[str]) -> None:
    with pytest.raises(ValueError, match=r"address|port"):
        jetgate.connect(target)


def test_an_address_is_a_url_or_host_and_port(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for target in (f"http://{world.gateways[0]}", f"http://{world.gateways[0]}/", world.gateways[0]):
        monkeypatch.setenv("JETGATE_URL", target)
        with jetgate.connect() as client:
            assert client.info().version


def test_a_gateway_that_asks_for_a_certificate_lets_in_who_shows_one(tmp_path: pathlib.Path) -> None:
    made = runpy.run_path(str(SCENARIOS / "certificates.py"))["make"](tmp_path)
    with World(tls=True, config={"tls.client_ca_file": made["ca"]}) as world:
        ca, address = world.facts["ca_file"], world.gateways[0].replace("127.0.0.1", "localhost")
        shown = jetgate.Credentials(ca=ca, cert=made["cert"], key=pathlib.Path(made["key"]).read_bytes())
        # Who trusts authorities of his own means TLS, whether the address says so or not.
        for target in (f"https://{address}", address):
            with jetgate.connect(target, shown) as client:
                assert "localhost" in client.info(timeout=30).identity
        with (
            jetgate.connect(f"https://{address}", jetgate.Credentials(ca=ca)) as client,
            pytest.raises(jetgate.UnavailableError),
        ):
            client.info(timeout=5)
