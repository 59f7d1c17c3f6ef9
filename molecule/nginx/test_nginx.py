# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The edge as browsers meet it, and what a run does to it."""

from __future__ import annotations

import datetime
import http.server
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from docker.models.containers import Container
from testinfra.host import Host

DOMAINS = ("web.example.com", "www.example.com", "php.example.com")
NEW_DOMAIN = "new.example.com"
MIB = 2**20
# How long nginx may go on with the address of a container that is gone; it asks again every second.
FOLLOWS_SECONDS = 5


def handshake(ports: dict[int, int], name: str | None, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(socket.create_connection(("127.0.0.1", ports[443]), timeout=10), server_hostname=name)


def careless(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A client that believes any certificate, and with a version speaks that one only, however old."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
    return context


@dataclass(frozen=True)
class Pem:
    certificate: str
    key: str


def issue(name: str, *more: str, by: Pem | None = None) -> Pem:
    """Return a certificate for these names, and its key; signed by that key unless an authority is given."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(by.certificate.encode()).subject if by else _subject(name)
    signer = serialization.load_pem_private_key(by.key.encode(), None) if by else key
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_subject(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in (name, *more)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Pem(certificate.public_bytes(serialization.Encoding.PEM).decode(), key.private_bytes(*form).decode())


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


# -- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", DOMAINS)
def test_https_serves_every_domain_with_the_certificate_that_the_controller_keeps(
    domain: str, web: requests.Session
) -> None:
    answer = web.get(f"https://{domain}/", timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Strict-Transport-Security"] == "max-age=63072000"
    assert answer.headers["Server"] == "nginx"
    # Only PHP's answer has files.
    assert ("files" in answer.json()) == domain.startswith("php")


def test_the_certificate_is_good_for_no_other_name(ports: dict[int, int], web: requests.Session) -> None:
    with handshake(ports, DOMAINS[0], ssl.create_default_context(cafile=web.verify)) as tls:
        names = [value for _kind, value in tls.getpeercert()["subjectAltName"]]
    assert sorted(names) == sorted(DOMAINS)


@pytest.mark.parametrize("domain", DOMAINS)
def test_http_is_sent_to_https_on_the_same_host_and_uri(domain: str, web: requests.Session) -> None:
    answer = web.get(f"http://{domain}/a/b?c=d&e=%20f", allow_redirects=False, timeout=10)
    assert (answer.status_code, answer.headers["Location"]) == (301, f"https://{domain}/a/b?c=d&e=%20f")


@pytest.mark.parametrize("name", ["other.example.com", "example.com", None])
def test_an_unknown_name_gets_no_certificate(name: str | None, ports: dict[int, int]) -> None:
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        handshake(ports, name, careless())


def test_an_unknown_name_gets_no_answer_over_http(web: requests.Session, ports: dict[int, int]) -> None:
    with pytest.raises(requests.ConnectionError, match="closed connection without response"):
        web.get("http://other.example.com/", timeout=10)
    with socket.create_connection(("127.0.0.1", ports[80]), timeout=10) as plain:
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert plain.recv(1) == b""


def test_a_known_name_in_the_handshake_opens_no_unknown_host(web: requests.Session) -> None:
    with pytest.raises(requests.ConnectionError, match="closed connection without response"):
        web.get("https://web.example.com/", headers={"Host": "other.example.com"}, timeout=10)


# -- TLS -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_current_version_of_tls_is_spoken(version: ssl.TLSVersion, ports: dict[int, int]) -> None:
    with handshake(ports, DOMAINS[0], careless(version)) as tls:
        assert tls.version() == version.name.replace("_", ".")


@pytest.fixture
def old_server(tmp_path: Path) -> Iterator[dict[int, int]]:
    """A server that speaks TLS 1.1 only."""
    pem = issue("old.example.com")
    (tmp_path / "old.pem").write_text(pem.certificate + pem.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.load_cert_chain(tmp_path / "old.pem")
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield {443: server.server_port}
        server.shutdown()
        thread.join()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_an_old_version_of_tls_is_refused(ports: dict[int, int], old_server: dict[int, int]) -> None:
    with handshake(old_server, None, careless(ssl.TLSVersion.TLSv1_1)) as tls:
        assert tls.version() == "TLSv1.1"
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        handshake(ports, DOMAINS[0], careless(ssl.TLSVersion.TLSv1_1))


def test_a_cipher_without_forward_secrecy_is_refused(ports: dict[int, int]) -> None:
    context = careless(ssl.TLSVersion.TLSv1_2)
    for cipher, refused in (
        ("ECDHE-ECDSA-AES128-GCM-SHA256", False),
        ("ECDHE-ECDSA-AES128-SHA", True),
        ("AES128-GCM-SHA256", True),
    ):
        context.set_ciphers(cipher)
        if refused:
            with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
                handshake(ports, DOMAINS[0], context)
        else:
            handshake(ports, DOMAINS[0], context).close()


# -- a PHP-FPM app ---------------------------------------------------------------------------------------------------


@pytest.fixture
def asleep(container: Callable[..., Container]) -> Iterator[None]:
    """The PHP app answers nobody."""
    container("php-fpm").pause()
    yield
    container("php-fpm").unpause()


@pytest.mark.usefixtures("asleep")
def test_files_are_served_without_the_app(web: requests.Session) -> None:
    with pytest.raises(requests.ReadTimeout):
        web.get("https://php.example.com/", timeout=0.5)
    answer = web.get("https://php.example.com/style.css", timeout=10)
    assert answer.text == "body { color: #234; }\n"
    assert answer.headers["Content-Type"] == "text/css"
    again = web.get("https://php.example.com/style.css", headers={"If-None-Match": answer.headers["ETag"]}, timeout=10)
    assert again.status_code == 304


def test_files_are_those_of_the_release(web: requests.Session) -> None:
    assert web.get("https://php.example.com/version.txt", timeout=10).text == "1.0.0\n"
    assert web.get("https://php.example.com/assets/note.txt", timeout=10).text == "sentinel\n"


@pytest.mark.parametrize(
    "path", ["/", "/index.php", "/hidden.php", "/assets", "/assets/", "/not/there.css", "/hidden.php/x"]
)
def test_a_program_is_run_by_the_app_and_a_directory_is_not_listed(path: str, web: requests.Session) -> None:
    answer = web.get(f"https://php.example.com{path}", timeout=10)
    assert answer.json()["server"]["REQUEST_URI"] == path
    assert answer.json()["server"]["SCRIPT_NAME"] == "/index.php"


@pytest.mark.parametrize("path", ["/.env", "/.git/", "/.git/config", "/assets/../.env", "/%2eenv"])
def test_a_hidden_file_is_not_there(path: str, web: requests.Session, host: Host) -> None:
    request = requests.Request("GET", "https://php.example.com/").prepare()
    request.url = f"https://php.example.com{path}"  # as it is: requests would tidy it up
    answer = web.send(request, verify=web.verify, timeout=10)
    assert answer.status_code == 404
    assert "sentinel" not in answer.text


def test_the_files_that_nobody_may_see_are_there_to_be_seen(host: Host) -> None:
    text = host.check_output("cd /opt/onebox/services/php/public/current && cat .env .git/config hidden.php")
    assert text.count("sentinel") == 2
    assert "echo 'hidden'" in text


def test_the_app_is_told_who_asks_for_what(web: requests.Session, host: Host) -> None:
    sent = {"Proxy": "http://attacker.example.com", "X-Forwarded-For": "10.0.0.1"}
    server = web.get("https://php.example.com/a/b.php?c=d", headers=sent, timeout=10).json()["server"]
    lab = host.ansible.get_variables()["lab_ipv4"].rpartition(".")[0]
    assert server["REMOTE_ADDR"] == f"{lab}.1", "the client is the one outside, not a bridge of Docker"
    wanted = {
        "SCRIPT_NAME": "/index.php",
        "SCRIPT_FILENAME": "/app/public/index.php",
        "DOCUMENT_ROOT": "/app/public",
        "REQUEST_URI": "/a/b.php?c=d",
        "QUERY_STRING": "c=d",
        "REQUEST_METHOD": "GET",
        "HTTPS": "on",
        "HTTP_HOST": "php.example.com",
        "SERVER_PORT": "443",
    }
    assert {name: server.get(name) for name in wanted} == wanted
    # Some programs would take the client's header for their own proxy.
    assert server.get("HTTP_PROXY", "") == ""


def test_uploads_up_to_the_limit_reach_the_app_and_larger_ones_are_refused(
    web: requests.Session, container: Callable[..., Container]
) -> None:
    body = web.post("https://php.example.com/", data=bytes(1000), timeout=10)
    assert body.json()["received"] == 1000

    # PHP's own limit would be 2 MiB, and two at a time are more than the memory of the container.
    size = 100 * MIB - 1000
    assert container("php-fpm").attrs["HostConfig"]["Memory"] < 2 * size

    def upload(size: int) -> requests.Response:
        return web.post("https://php.example.com/", files={"file": bytes(size)}, timeout=60)

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(upload, [size, size]))
    assert [answer.json()["files"] for answer in answers] == [{"file": {"error": 0, "size": size}}] * 2
    assert "exited on signal" not in container("php-fpm").logs().decode()
    assert upload(100 * MIB).status_code == 413


# -- an HTTP app -----------------------------------------------------------------------------------------------------


def test_the_http_app_is_told_who_asks_for_what(web: requests.Session, host: Host) -> None:
    sent = {"X-Forwarded-For": "10.0.0.1", "X-Real-IP": "10.0.0.1", "X-Forwarded-Proto": "http"}
    answer = web.get("https://www.example.com/a?b=c", headers=sent, timeout=10).json()
    client = f"{host.ansible.get_variables()['lab_ipv4'].rpartition('.')[0]}.1"
    wanted = {"host": "www.example.com", "x-real-ip": client, "x-forwarded-for": client, "x-forwarded-proto": "https"}
    assert {name: answer["headers"].get(name) for name in wanted} == wanted
    assert answer["uri"] == "/a?b=c"


def test_uploads_at_a_time_may_be_more_than_the_memory_of_nginx(
    web: requests.Session, container: Callable[..., Container]
) -> None:
    count, size = 4, 63
    assert container("nginx").attrs["HostConfig"]["Memory"] < count * size * MIB

    def upload(mib: int) -> requests.Response:
        return web.post("https://web.example.com/", data=bytes(mib * MIB), timeout=60)

    with ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(upload, [size] * count))
    assert [answer.json()["received"] for answer in answers] == [size * MIB] * count
    assert container("nginx").attrs["RestartCount"] == 0
    assert upload(65).status_code == 413


@pytest.fixture
def chat(ports: dict[int, int]) -> Iterator[websocket.WebSocket]:
    """A websocket that sends back what it gets."""
    tls = handshake(ports, "web.example.com", careless())
    connection = websocket.create_connection("wss://web.example.com/ws", socket=tls, timeout=10)
    yield connection
    connection.close()


def echo(chat: websocket.WebSocket, text: str) -> str:
    chat.send(text)
    return str(chat.recv())


def workers(nginx: Container) -> set[str]:
    return {process[1] for process in nginx.top()["Processes"] if "worker process" in process[-1]}


def test_a_websocket_outlives_a_reload(chat: websocket.WebSocket, container: Callable[..., Container]) -> None:
    assert echo(chat, "before") == "before"
    before = workers(container("nginx"))
    assert container("nginx").exec_run(["nginx", "-s", "reload"]).exit_code == 0
    deadline = time.monotonic() + 10
    while not workers(container("nginx")) - before:
        assert time.monotonic() < deadline, "nginx has no new workers"
        time.sleep(0.1)
    assert echo(chat, "after") == "after"


def test_nginx_follows_a_container_that_is_recreated_by_hand(
    web: requests.Session, host: Host, container: Callable[..., Container]
) -> None:
    def address() -> str:
        return str(container("web-server").attrs["NetworkSettings"]["Networks"]["onebox_edge"]["IPAddress"])

    before, nginx = address(), container("nginx").id
    # Another container takes the address while it is free, and answers nobody there.
    host.check_output(
        "cd /opt/onebox && docker compose stop web-server &&"
        "docker run --detach --name taker --network onebox_edge --entrypoint sleep nginx:1.30.4-alpine 600 &&"
        "docker compose up --detach --wait --no-deps --force-recreate web-server"
    )
    try:
        assert address() != before
        deadline = time.monotonic() + FOLLOWS_SECONDS
        while web.get("https://web.example.com/", timeout=10).status_code != 200:
            assert time.monotonic() < deadline, "nginx still asks the address that the container had before"
            time.sleep(0.2)
        assert {web.get("https://web.example.com/", timeout=10).status_code for _ in range(20)} == {200}
        assert container("nginx").id == nginx
    finally:
        host.check_output("docker rm --force taker")


# -- the server itself -----------------------------------------------------------------------------------------------


def open_ports(address: str) -> set[int]:
    def connects(port: int) -> bool:
        with socket.socket() as probe:
            probe.settimeout(2)
            return probe.connect_ex((address, port)) == 0

    with ThreadPoolExecutor(64) as pool:
        return {port for port, found in zip(range(1, 65536), pool.map(connects, range(1, 65536)), strict=True) if found}


def test_nothing_answers_but_ssh_and_the_web(host: Host) -> None:
    address = host.ansible.get_variables()["lab_ipv4"]
    # One by mistake, to see that it is found.
    host.check_output("systemd-run --unit mistake python3 -m http.server 6379")
    host.check_output("timeout 10 sh -c 'until ss -ltn | grep -q :6379; do sleep 0.1; done'")
    try:
        assert open_ports(address) == {22, 80, 443, 6379}
    finally:
        host.check_output("systemctl stop mistake")


def test_the_workers_may_do_nothing_and_the_master_three_things(
    host: Host, container: Callable[..., Container]
) -> None:
    def status(pid: str) -> tuple[str, int]:
        text = host.file(f"/proc/{pid}/status").content_string
        fields = dict(line.split(":\t") for line in text.splitlines() if ":\t" in line)
        return fields["Uid"].split()[0], int(fields["CapEff"], 16)

    nginx = container("nginx")
    chown, setgid, setuid = 1 << 0, 1 << 6, 1 << 7
    assert status(str(nginx.attrs["State"]["Pid"])) == ("0", chown | setgid | setuid)
    assert len(workers(nginx)) >= 1
    assert {status(pid) for pid in workers(nginx)} == {("101", 0)}


def test_the_health_check_tells_a_server_from_none(container: Callable[..., Container]) -> None:
    nginx = container("nginx")
    assert nginx.health == "healthy"
    test = nginx.attrs["Config"]["Healthcheck"]["Test"]
    assert test[0] == "CMD"
    assert nginx.exec_run(test[1:]).exit_code == 0
    elsewhere = [part.replace("8080", "8081") for part in test[1:]]
    assert nginx.exec_run(elsewhere).exit_code != 0


def test_the_access_log_is_json_without_what_was_asked_for_in_secret(
    web: requests.Session, container: Callable[..., Container]
) -> None:
    for url in (
        "https://web.example.com/a%20b",
        "https://php.example.com/style.css",
        "http://php.example.com/c",
        'https://web.example.com/"x\\',
    ):
        web.get(
            f"{url}?token=sentinel", headers={"Referer": "https://x/?token=sentinel"}, allow_redirects=False, timeout=10
        )
    log = container("nginx").logs(stdout=True, stderr=False).decode()
    entries = [json.loads(line) for line in log.splitlines()]
    assert "sentinel" not in log
    found = {(entry["host"], entry["method"], entry["path"], entry["status"]) for entry in entries}
    assert found >= {
        ("web.example.com", "GET", "/a%20b", 200),
        ("php.example.com", "GET", "/style.css", 200),
        ("php.example.com", "GET", "/c", 301),
        ("web.example.com", "GET", "/%22x%5C", 200),
    }
    newest = entries[-1]
    assert abs(datetime.datetime.fromisoformat(newest["time"]).timestamp() - time.time()) < 60
    assert newest["bytes"] > 0
    assert 0 <= newest["seconds"] < 10


# -- runs ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def site(play: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Run the site's playbook with other values of variables: `site(nginx_tls="provided")`."""

    def site(*options: str, **variables: Any) -> Any:
        file = tmp_path / "variables.json"
        file.write_text(json.dumps(variables))
        return play("playbooks/site.yml", "-v", "-e", f"@{file}", *options)

    return site


@pytest.fixture
def failures(web: requests.Session) -> Iterator[list[str]]:
    """What went wrong with requests that come all the time to both apps, whatever the certificate."""
    found: list[str] = []
    done = threading.Event()

    def ask(url: str) -> None:
        while not done.wait(0.05):
            try:
                status = web.get(url, headers={"Connection": "close"}, verify=False, timeout=10).status_code
                if status != 200:
                    found.append(f"{url}: {status}")
            except requests.RequestException as error:
                found.append(f"{url}: {error}")

    threads = [
        threading.Thread(target=ask, args=(f"https://{domain}/",)) for domain in ("web.example.com", "php.example.com")
    ]
    for thread in threads:
        thread.start()
    yield found
    done.set()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("case", ["a directive that nginx does not know", "a key of another certificate"])
def test_settings_that_nginx_refuses_are_not_taken_up(
    case: str,
    site: Callable[..., Any],
    web: requests.Session,
    container: Callable[..., Container],
    snapshot: Callable[[], str],
) -> None:
    own, other = issue(*DOMAINS), issue(*DOMAINS)
    bad, reason = {
        "a directive that nginx does not know": (
            {"nginx_vhosts": [vhost(body_mib="1m; bad")]},
            'unknown directive "badm"',
        ),
        "a key of another certificate": (
            {"nginx_tls": "provided", "nginx_tls_certificate": own.certificate, "nginx_tls_private_key": other.key},
            "key values mismatch",
        ),
    }[case]
    before = snapshot(), workers(container("nginx"))
    run = site("--tags", "nginx", **bad)
    assert run.exit_code != 0
    assert "nginx: nginx refuses its new settings; the ones in force are kept:" in run.output
    assert reason in run.output
    assert own.key.splitlines()[1] not in run.output
    assert (snapshot(), workers(container("nginx"))) == before
    assert web.get("https://web.example.com/", timeout=10).status_code == 200


def vhost(**changes: Any) -> dict[str, Any]:
    own = {"app": "web", "domains": ["web.example.com"], "kind": "http", "upstream": "onebox-web-server:8000"}
    return {**own, "public_path": "", "body_mib": 1, "timeout_seconds": 60, **changes}


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_a_run_with_another_certificate_reports_that_alone_and_serves_it(
    site: Callable[..., Any],
    failures: list[str],
    web: requests.Session,
    container: Callable[..., Container],
    tmp_path: Path,
) -> None:
    authority = issue("Authority of the test")
    own = issue(*DOMAINS, by=authority)
    (tmp_path / "authority.pem").write_text(authority.certificate)
    before = container("nginx").id
    run = site("--diff", nginx_tls="provided", nginx_tls_certificate=own.certificate, nginx_tls_private_key=own.key)
    assert run.exit_code == 0, run.output
    assert run.changed == ["onebox.stack.nginx : Run nginx"]
    assert run.actions == ["write /opt/onebox/secrets/nginx/tls.pem", "load the settings of nginx"]
    assert own.key.splitlines()[1] not in run.output
    assert container("nginx").id == before
    for domain in DOMAINS:
        assert web.get(f"https://{domain}/", verify=str(tmp_path / "authority.pem"), timeout=10).status_code == 200
    with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        web.get(f"https://{DOMAINS[0]}/", timeout=10)


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_a_run_that_adds_a_domain_and_a_replica_disturbs_nobody(
    site: Callable[..., Any],
    host: Host,
    failures: list[str],
    chat: websocket.WebSocket,
    ports: dict[int, int],
    web: requests.Session,
    container: Callable[..., Container],
) -> None:
    before = container("nginx").id
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        handshake(ports, NEW_DOMAIN, careless())
    apps = host.ansible.get_variables()["onebox_apps"]
    apps["web"]["domains"].append(NEW_DOMAIN)
    apps["web"]["processes"]["server"]["replicas"] = 2
    run = site(onebox_apps=apps)
    assert echo(chat, "still there") == "still there"
    assert run.exit_code == 0, run.output
    assert run.changed == [
        "onebox.stack.app : Run web",
        "onebox.stack.nginx : Selfsigned | Make the private key",
        "onebox.stack.nginx : Selfsigned | Make the certificate",
        "onebox.stack.nginx : Run nginx",
    ]
    assert container("nginx").id == before
    handshake(ports, NEW_DOMAIN, careless()).close()
    deadline = time.monotonic() + FOLLOWS_SECONDS
    replicas = set()
    while len(replicas) < 2:
        assert time.monotonic() < deadline, f"only {replicas} is asked"
        replicas.add(web.get("https://web.example.com/", verify=False, timeout=10).json()["server"])
    assert failures == []


def test_a_run_with_the_values_of_before_puts_everything_back(
    site: Callable[..., Any],
    ports: dict[int, int],
    web: requests.Session,
    container: Callable[..., Container],
    host: Host,
) -> None:
    before = container("nginx").id, container("web-server").id
    run = site()
    assert run.exit_code == 0, run.output
    assert run.changed == ["onebox.stack.app : Run web", "onebox.stack.nginx : Run nginx"]
    assert (container("nginx").id, container("web-server").id) == before
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        handshake(ports, NEW_DOMAIN, careless())
    assert web.get("https://web.example.com/", timeout=10).status_code == 200
    assert host.check_output("docker ps --quiet --filter label=onebox.service=web | wc -l") == "1"
