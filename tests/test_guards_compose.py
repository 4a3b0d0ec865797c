"""docker-compose.yml and Dockerfile name the same processes as the code."""

from __future__ import annotations

import re
import shlex
from typing import Any, cast

import pytest
import yaml

from atelier import processes
from atelier.local import WORKER_STOP_SECONDS
from jobs.queue import RESOURCES
from jobs.settings import Settings
from tests.source import PACKAGES, ROOT

COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
SECRETS = {"POSTGRES_PASSWORD": "secret"}
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def _filled(text: str) -> str:
    """What docker compose makes of ``${NAME:-default}`` when .env holds only the secrets."""
    return VARIABLE.sub(lambda found: SECRETS.get(found[1]) or (found[3] or ""), text)


SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(_filled(COMPOSE))["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "atelier"}
WORKERS = {name: service for name, service in OURS.items() if name.startswith("worker-")}


def _settings(service: dict[str, Any]) -> Settings:
    given = service["environment"].items()
    return Settings.read({name: "" if value is None else str(value) for name, value in given})


def _wanted(name: str) -> list[str]:
    settings = _settings(OURS[name])
    if name in WORKERS:
        return processes.worker(settings, settings.slot, settings.slot.partition(":")[0])
    made = {"migrate": processes.migrate(), "keeper": processes.keeper()}
    return made[name] if name in made else processes.web(settings)


def _seconds(text: str) -> float:
    assert re.fullmatch(r"\d+s", text), text
    return float(text[:-1])


def test_every_process_of_the_code_has_a_service() -> None:
    assert {"migrate", "web", "keeper"} | set(WORKERS) == set(OURS)
    assert {_settings(service).slot.partition(":")[0] for service in WORKERS.values()} == set(
        RESOURCES
    )


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_the_command_that_the_code_names(name: str) -> None:
    python, *rest = _wanted(name)
    assert python.rpartition("/")[2].startswith("python")
    assert OURS[name]["command"] == ["python", *rest]


@pytest.mark.parametrize("name", OURS)
def test_a_service_sets_only_what_the_settings_know(name: str) -> None:
    known = {str(field.alias) for field in Settings.model_fields.values()}
    assert set(OURS[name]["environment"]) <= known


@pytest.mark.parametrize("name", OURS)
def test_all_share_one_database_one_broker_and_one_storage(name: str) -> None:
    (web, here) = (_settings(OURS["web"]), _settings(OURS[name]))
    assert (here.database_url, here.redis_url) == (web.database_url, web.redis_url)
    assert here.storage_url == web.storage_url
    if name != "migrate":
        assert f"files:{web.storage_url}" in OURS[name]["volumes"]


def test_the_web_knows_that_mails_are_sent_and_no_password_of_theirs() -> None:
    assert "ATELIER_MAIL_FROM" in OURS["web"]["environment"]
    given = {name for name in OURS if "ATELIER_SMTP_URL" in OURS[name]["environment"]}
    assert given == {"keeper"}


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_serves_the_queue_of_its_slot_and_has_a_name_of_its_own(name: str) -> None:
    settings = _settings(WORKERS[name])
    command = WORKERS[name]["command"]
    assert command[command.index("-Q") + 1] in RESOURCES
    others = [_settings(service).hostname for other, service in WORKERS.items() if other != name]
    assert settings.hostname
    assert settings.hostname not in others


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_is_given_longer_to_stop_than_it_gives_itself(name: str) -> None:
    assert _seconds(WORKERS[name]["stop_grace_period"]) == 30
    assert _seconds(WORKERS[name]["stop_grace_period"]) > WORKER_STOP_SECONDS


@pytest.mark.parametrize("name", WORKERS)
def test_scratch_is_no_workers_but_its_own(name: str) -> None:
    targets = [volume.split(":")[1] for volume in WORKERS[name]["volumes"]]
    assert all(not "/data/scratch".startswith(target) for target in targets), targets


def test_the_gpu_worker_gets_its_gpu_and_only_when_asked_for() -> None:
    service = WORKERS["worker-gpu-0"]
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "device_ids": ["0"], "capabilities": ["gpu"]}
    assert service["profiles"] == ["gpu"]
    assert all("profiles" not in other for name, other in OURS.items() if "gpu" not in name)


def test_only_this_machine_sees_the_web_server_and_nothing_else_is_seen() -> None:
    settings = _settings(OURS["web"])
    assert OURS["web"]["ports"] == [f"127.0.0.1:8000:{settings.port}"]
    assert settings.public_url
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["web"]


def test_nothing_starts_before_the_tables_are_there() -> None:
    assert OURS["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert OURS["migrate"]["restart"] == "no"
    for name, service in OURS.items():
        if name != "migrate":
            waited = service["depends_on"]["migrate"]["condition"]
            assert waited == "service_completed_successfully", name


@pytest.mark.parametrize("name", ["postgres", "redis", "web"])
def test_what_others_depend_on_is_watched(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_the_web_server_is_asked_under_a_name_that_it_answers_to() -> None:
    from urllib.parse import urlsplit

    script = SERVICES["web"]["healthcheck"]["test"][-1]
    compile(script, "healthcheck", "exec")
    address = cast(str, re.findall(r'"(http[^"]+)"', script)[0])
    assert urlsplit(address).netloc in _settings(OURS["web"]).allowed_hosts
    assert urlsplit(address).path == "/readyz"


def test_no_password_has_a_default() -> None:
    for name, kind, default in VARIABLE.findall(COMPOSE):
        if re.search("PASSWORD|SECRET|TOKEN|KEY", name):
            assert (kind, bool(default)) == ("?", True), name
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name:
                assert value == SECRETS[name]


def test_every_volume_that_is_used_is_declared() -> None:
    declared = set(yaml.safe_load(COMPOSE)["volumes"])
    used = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
    }
    assert used == declared


def _instructions(name: str) -> list[list[str]]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return [shlex.split(line)[1:] for line in joined.splitlines() if line.split(" ")[0] == name]


def test_the_image_holds_every_package_and_nothing_that_is_not_there() -> None:
    copied = [source for *sources, _ in _instructions("COPY") for source in sources]
    assert set(PACKAGES) | {"pyproject.toml", "README.md"} == set(copied)
    assert all((ROOT / source).exists() for source in copied)


def test_the_builder_is_sent_only_what_the_image_copies() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = {source for *sources, _ in _instructions("COPY") for source in sources}
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == copied


def test_the_image_runs_as_nobody_special() -> None:
    (user,) = _instructions("USER")
    assert user not in (["root"], ["0"])
    after = DOCKERFILE.split("\nUSER ")[1]
    assert not re.search(r"^(RUN|COPY|ADD) ", after, re.MULTILINE)


def test_the_image_holds_no_secret() -> None:
    assert not re.search("PASSWORD|SECRET|TOKEN", DOCKERFILE)
    assert _instructions("ADD") == []


def test_the_image_has_a_python_that_the_project_takes() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ((image,),) = _instructions("FROM")
    found, least = re.search(r"python:3\.(\d+)", image), project["requires-python"]
    assert found
    assert least == ">=3.11"
    assert int(found[1]) >= 11


def test_the_folders_of_the_settings_belong_to_the_images_user() -> None:
    made = " ".join(" ".join(words) for words in _instructions("RUN"))
    assert "install -d -o atelier -g atelier /data /data/weights /files" in made
    assert "ATELIER_DATA=/data" in " ".join(" ".join(words) for words in _instructions("ENV"))
