"""Where AuthZEN's clients learn the addresses."""

from flask import Flask
from flask.testing import FlaskClient

from app.config import Settings
from tests.running import change_settings

PATH = "/.well-known/authzen-configuration"


def test_the_addresses_are_the_public_ones_however_the_request_came(app: Flask, settings: Settings) -> None:
    change_settings(public_url="https://portal.example.org")
    answer = app.test_client().get(PATH, headers={"Host": "10.0.0.7:8000"})
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.json["policy_decision_point"] == "https://portal.example.org"
    assert answer.json["access_evaluation_endpoint"] == "https://portal.example.org/access/v1/evaluation"


def test_every_address_that_is_named_is_there(app: Flask, settings: Settings) -> None:
    change_settings(public_url="https://portal.example.org")
    client = app.test_client()
    named = client.get(PATH).json
    for name, address in named.items():
        assert address, f"{name} has no value and should not be named"
        if name.endswith("_endpoint"):
            assert client.post(address.removeprefix("https://portal.example.org")).status_code == 401
    assert len(named) >= 3


def test_the_metadata_may_be_kept_for_a_while(client: FlaskClient) -> None:
    answer = client.get(PATH, headers={"X-Request-ID": "r-1"})
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert answer.headers["X-Request-ID"] == "r-1"
    assert "Vary" not in answer.headers
    assert client.get(PATH, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_the_metadata_is_only_read(client: FlaskClient) -> None:
    answer = client.post(PATH)
    assert (answer.status_code, answer.json) == (405, {"message": "Use GET, HEAD here."})
