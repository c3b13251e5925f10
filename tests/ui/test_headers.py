from flask.testing import FlaskClient

from app.services.models import Service


def policy_of(client: FlaskClient, path: str) -> str:
    return client.get(path).headers["Content-Security-Policy"]


def test_signing_in_at_the_direct_door_may_end_at_that_service_and_nowhere_else(client: FlaskClient) -> None:
    Service.update(launch_address="https://training.example.org/in?a=1").where(Service.slug == "training").execute()
    assert "form-action 'self' https://training.example.org;" in policy_of(client, "/sign-in?next=/open/training")
    for next_page in ("/open/nothing", "/account", "https://evil.example/open/training", ""):
        assert "form-action 'self';" in policy_of(client, f"/sign-in?next={next_page}")


def test_nothing_may_run_or_frame_a_page(client: FlaskClient) -> None:
    response = client.get("/sign-in")
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"


def test_links_with_a_secret_in_them_are_told_to_nobody_else(client: FlaskClient) -> None:
    assert client.get("/activate/some-token").headers["Referrer-Policy"] == "same-origin"


def test_null_characters_are_refused_wherever_they_come(client: FlaskClient) -> None:
    assert client.get("/open/tr%00aining").status_code == 400
    assert client.get("/sign-in?next=%00").status_code == 400
    assert client.post("/sign-in", data={"address": "a\0@example.org", "password": "x"}).status_code == 400
