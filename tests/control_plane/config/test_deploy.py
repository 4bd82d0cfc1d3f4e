"""A deployment under HTTPS: Django's own list of deployment checks, and the headers of a page."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.servers import DATABASE, database_environment

HOST = "dance.example"
ASK = """
import json, django
django.setup()
from django.conf import settings
from django.test import Client
answers = {}
for name, path, secure in (
    ("page", "/accounts/login/", True),
    ("typed", "/accounts/login/", False),
    ("program", "/agent/v1/config", False),
    ("nothing", "/nothing-here", True),
    ("live", "/livez", False),
):
    headers = {"X-Forwarded-Proto": "https"} if secure else {}
    answer = Client().get(path, headers={"Host": "dance.example", **headers})
    answers[name] = {
        "status": answer.status_code,
        "headers": {key.lower(): value for key, value in answer.headers.items()},
        "cookies": [morsel.OutputString() for morsel in answer.cookies.values()],
        "text": answer.content.decode(errors="replace"),
    }
print(json.dumps({"debug": settings.DEBUG, "session": settings.SESSION_COOKIE_NAME, "answers": answers}))
"""


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return (
        os.environ
        | database_environment(DATABASE)
        | {
            "THREEDANCE_PUBLIC_URL": f"https://{HOST}",
            "THREEDANCE_ALLOWED_HOSTS": HOST,
            "THREEDANCE_EMAIL_URL": "smtp://user:password@mail.example:587?from=studio@dance.example",
        }
    )


@pytest.fixture(scope="module")
def told(environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_djangos_checks_of_a_deployment_find_nothing(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "django", "check", "--deploy", "--fail-level", "WARNING"],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    warnings = [line for line in done.stderr.splitlines() if "threedance.W" in line or "security." in line]
    # Assets may not be built where tests run alone.
    assert [line for line in warnings if "W013" not in line] == [], done.stderr


def test_pages_say_what_a_browser_may_do(told: dict[str, Any]) -> None:
    page = told["answers"]["page"]
    headers = page["headers"]
    assert page["status"] == 200
    assert headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_cookies_are_bound_to_this_host_and_to_https(told: dict[str, Any]) -> None:
    assert told["session"] == "__Host-session"
    cookies = told["answers"]["page"]["cookies"]
    assert cookies
    for cookie in cookies:
        assert cookie.startswith("__Host-")
        assert "Secure" in cookie
        assert "SameSite=Lax" in cookie
        assert "Path=/" in cookie


def test_people_are_led_to_https_and_programs_are_not(told: dict[str, Any]) -> None:
    assert told["answers"]["typed"]["status"] == 301
    assert told["answers"]["program"]["status"] == 401
    assert told["answers"]["live"]["status"] == 200


def test_no_inside_is_shown_where_something_is_wrong(told: dict[str, Any]) -> None:
    assert told["debug"] is False
    assert told["answers"]["nothing"]["status"] == 404
    assert "Traceback" not in str(told["answers"]["nothing"]["text"])
