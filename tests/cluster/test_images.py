"""The two images on a real node, as strict as Kubernetes can be with them.

Every pod here is under Pod Security `restricted`, has a read-only root, and no shell.
"""

import hashlib
import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import oauth_standin
from node import PATIENCE, until

ROOT = Path(__file__).parents[2]
CLI = json.loads((ROOT / "refresher" / "package.json").read_text())
PIN = CLI["optionalDependencies"]["@anthropic-ai/claude-code-linux-x64"]
KEY = "an-inbound-key"
QUESTION = {"messages": [{"role": "user", "content": "Hello"}]}
SHELLS = ("bash", "dash")  # `sh` is a link to the second


def pod(name, image, *args, uid=10001, environ=None, **container):
    """A pod of one container that can write to /tmp and the login's volume only."""
    blocked = [
        {"name": "nothing", "mountPath": f"/usr/bin/{shell}", "subPath": "nothing"}
        for shell in SHELLS
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": uid,
                "runAsGroup": uid,
                "fsGroup": uid,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "main",
                    "image": image,
                    "imagePullPolicy": "Never",
                    "args": list(args),
                    "env": [
                        {"name": key, "value": value}
                        for key, value in (environ or {}).items()
                    ],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                    },
                    "volumeMounts": [
                        {"name": "tmp", "mountPath": "/tmp"},
                        {"name": "login", "mountPath": "/var/lib/claude"},
                        *blocked,
                    ],
                }
                | container
            ],
            "volumes": [
                {"name": "tmp", "emptyDir": {}},
                {"name": "login", "emptyDir": {}},
                {"name": "nothing", "configMap": {"name": "nothing"}},
            ],
        },
    }


@pytest.fixture(scope="module")
def here(restricted):
    """`kubectl` in the namespace of these tests."""
    restricted("create", "configmap", "nothing", "--from-literal=nothing=")
    return restricted


@pytest.fixture(scope="module")
def serve(here, image):
    """Run the proxy's image; returns the API's address once it is Ready."""

    def start(name, *args, **more):
        environ = {
            "HOST": "0.0.0.0",
            "PORT": "8089",
            "HEALTH_PORT": "8090",
            "PROXY_API_KEY": KEY,
            **more.pop("environ", {}),
        }
        probe = {
            "httpGet": {"path": "/healthz", "port": 8090},
            "periodSeconds": 1,
            "failureThreshold": 60,
        }
        here.apply(
            pod(
                name, image.proxy, *args,
                environ=environ, startupProbe=probe, readinessProbe=probe, **more,
            )
        )  # fmt: skip
        here.wait(f"pod/{name}")
        return f"http://{here.json('get', 'pod', name)['status']['podIP']}:8089"

    return start


@pytest.fixture(scope="module")
def inside(here, image):
    """Run a command in an idle pod of an image; returns the finished process."""
    started = set()

    def run(which, *words, data=None):
        name = f"idle-{which}"
        if which not in started:
            here.apply(
                pod(name, getattr(image, which), command=["sleep", "infinity"], args=[])
            )
            here.wait(f"pod/{name}")
            started.add(which)
        stdin = () if data is None else ("--stdin",)
        return here.run("exec", *stdin, name, "--", *words, data=data, timeout=200)

    return run


def ask(url, key=KEY):
    request = urllib.request.Request(
        f"{url}/v1/chat/completions",
        data=json.dumps(QUESTION).encode(),
        headers={"content-type": "application/json", "authorization": f"Bearer {key}"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)["choices"][0]["message"]["content"]


# 12345 is a user without an entry in passwd, as `docker run --user` may have it.
@pytest.mark.parametrize("uid", [10001, 12345])
def test_the_proxy_answers_from_the_demo_as_any_user(serve, uid):
    url = serve(f"demo-{uid}", "demo", uid=uid)

    assert "built-in demo, not Claude" in ask(url)


def test_the_proxy_reaches_an_upstream_outside_of_the_cluster(serve, anthropic):
    upstream = {"ANTHROPIC_API_BASE": anthropic.base_url, "ANTHROPIC_API_KEY": "any"}
    url = serve("upstream", environ=upstream)

    ask(url)

    assert "/v1/messages" in [one.path for one in anthropic.requests]


def test_a_wrong_inbound_key_is_refused(serve):
    url = serve("refusing", "demo")

    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(url, key="another")
    with refused.value as answer:
        assert answer.code == 401


def test_a_bad_setting_is_logged_and_ends_with_78(here, image):
    here.apply(pod("misled", image.proxy, environ={"HOST": "0.0.0.0"}))

    here.wait("pod/misled", "jsonpath={.status.phase}=Failed")

    [container] = here.json("get", "pod", "misled")["status"]["containerStatuses"]
    assert container["state"]["terminated"]["exitCode"] == 78
    assert "set PROXY_API_KEY" in here("logs", "misled")


def test_the_refreshers_image_holds_the_pinned_cli(inside):
    assert inside("refresher", "claude", "--version").stdout == f"{PIN} (Claude Code)\n"


@pytest.mark.parametrize(
    ("command", "code"), [("once", 78), ("status", 78), ("plan", 0)]
)
def test_without_a_login_each_command_says_so(inside, command, code):
    done = inside("refresher", "claude-refresher", command)

    assert done.returncode == code, done.stderr
    assert "NoCredentials" in done.stdout


def test_the_entry_point_runs_once_and_its_exit_code_is_the_pods(here, image):
    here.apply(pod("once", image.refresher, "once"))

    here.wait("pod/once", "jsonpath={.status.phase}=Failed")

    [container] = here.json("get", "pod", "once")["status"]["containerStatuses"]
    assert container["state"]["terminated"]["exitCode"] == 78
    assert "NoCredentials" in here("logs", "once")


@pytest.mark.parametrize("command", ["mcp list", "-p ping --model haiku --max-turns 1"])
def test_an_imported_login_is_renewed_without_node_git_or_shell(
    inside, outside, tmp_path, command
):
    with oauth_standin.Standin(tmp_path, outside) as standin:
        login = json.dumps(standin.login(access_left=-60))
        name = "login-" + re.sub(r"\W.*", "", command.strip("-"))
        environ = {
            **standin.environ,
            "NODE_EXTRA_CA_CERTS": f"/tmp/{name}.pem",
            "CLAUDE_CONFIG_DIR": f"/tmp/{name}",
            "REFRESH_COMMAND": command,
        }
        settings = [f"{key}={value}" for key, value in environ.items()]
        write = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
        ca = standin.ca_file.read_text()
        inside("refresher", "python3", "-c", write, f"/tmp/{name}.pem", data=ca)
        inside("refresher", "mkdir", "--mode=700", f"/tmp/{name}")

        refresher = ("refresher", "env", *settings, "claude-refresher")
        imported = inside(*refresher, "import", data=login)
        renewed = inside(*refresher, "once")

    assert imported.returncode == 0, imported.stderr
    assert renewed.stdout.startswith("Refreshed"), renewed
    assert len(standin.token_calls()) == 1


# What an image holds, listed by its own Python: every path with owner and mode, and
# the certificates.
LOOK = r"""
import hashlib, json, os, re, stat
files, certificates = [], set()
for directory, names, others in os.walk("/"):
    if directory == "/":
        names[:] = set(names) - {"dev", "proc", "sys"}
    names[:] = [n for n in names if not os.path.ismount(os.path.join(directory, n))]
    for name in names + others:
        path = os.path.join(directory, name)
        at = os.lstat(path)
        files.append([path, at.st_uid, at.st_gid, at.st_mode])
        if path.endswith((".pem", ".crt")) and stat.S_ISREG(at.st_mode):
            data = open(path, "rb").read()
            for one in re.findall(b"-----BEGIN CERT.*?-----END", data, re.DOTALL):
                certificates.add(hashlib.sha256(one).hexdigest())
print(json.dumps({"files": files, "certificates": sorted(certificates)}))
"""

both = pytest.mark.parametrize("which", ["proxy", "refresher"])


@pytest.fixture(scope="module")
def contents(inside):
    known = {}

    def look(which):
        if which not in known:
            done = inside(which, "python3", "-c", LOOK)
            assert done.returncode == 0, done.stderr
            known[which] = json.loads(done.stdout)
        return known[which]

    return look


@both
def test_an_image_holds_no_tool_of_its_build(contents, which):
    tools = {"node", "nodejs", "npm", "pip", "pip3", "pip.conf", ".npmrc", "npmrc"}
    paths = [Path(path) for path, *_ in contents(which)["files"]]

    assert [path for path in paths if path.name in tools] == []
    assert [path for path in paths if path.is_relative_to("/src")] == []


@both
def test_an_image_holds_the_program_of_its_own_half_only(contents, which):
    ours = {"claude", "claude-proxy", "claude-refresher"}
    paths = [Path(path) for path, *_ in contents(which)["files"]]
    found = {path.name for path in paths if path.parent.name == "bin"} & ours

    assert (
        found
        == {
            "proxy": {"claude-proxy"},
            "refresher": {"claude-refresher", "claude"},
        }[which]
    )


@both
def test_an_image_holds_no_certificate_of_the_build_machine(contents, which):
    def certificates(paths):
        texts = b"".join(path.read_bytes() for path in paths)
        found = re.findall(b"-----BEGIN CERT.*?-----END", texts, re.DOTALL)
        return {hashlib.sha256(one).hexdigest() for one in found}

    here = certificates([Path("/etc/ssl/certs/ca-certificates.crt")])
    of_debian = certificates(Path("/usr/share/ca-certificates/mozilla").iterdir())

    assert not (here - of_debian) & set(contents(which)["certificates"])
    assert contents(which)["certificates"]


@both
def test_its_user_owns_and_may_write_only_the_mount_points(contents, which):
    for_anyone = {"/run/lock", "/tmp", "/var/tmp", "/var/lock", "/var/lib/claude"}
    volumes = {"/home/claude"} if which == "refresher" else set()

    def writable(uid, gid, mode):
        link = mode & 0o170000 == 0o120000
        return not link and (
            uid == 10001 or mode & 0o002 or (gid == 10001 and mode & 0o020)
        )

    found = {path for path, *owner in contents(which)["files"] if writable(*owner)}

    assert found - for_anyone == volumes


@both
def test_its_modules_are_compiled(contents, which):
    site = "/opt/venv/lib/"
    paths = {path for path, *_ in contents(which)["files"] if path.startswith(site)}
    modules = [Path(path) for path in paths if re.search(rf"/{which}/\w+\.py$", path)]

    assert modules
    for module in modules:
        compiled = [path for path in paths if f"/__pycache__/{module.stem}." in path]
        assert compiled, module


@both
def test_its_user_has_a_name(inside, which):
    script = "import getpass, os; print(getpass.getuser(), os.path.expanduser('~'))"

    assert inside(which, "python3", "-c", script).stdout == "claude /home/claude\n"


def test_a_volume_that_was_used_comes_back_empty(namespace, image):
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "claim"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Mi"}},
        },
    }
    writer = pod(
        "writer", image.proxy, "-c", "open('/data/left', 'w')", command=["python3"]
    )
    namespace("create", "configmap", "nothing", "--from-literal=nothing=")
    writer["spec"]["volumes"].append(
        {"name": "data", "persistentVolumeClaim": {"claimName": "claim"}}
    )
    writer["spec"]["containers"][0]["volumeMounts"].append(
        {"name": "data", "mountPath": "/data"}
    )
    namespace.apply(claim, writer)
    namespace.wait("pod/writer", "jsonpath={.status.phase}=Succeeded")
    claimed = namespace.json("get", "pvc", "claim")
    uid, name = claimed["metadata"]["uid"], claimed["spec"]["volumeName"]
    directory = Path(namespace.json("get", "pv", name)["spec"]["local"]["path"])
    assert [path.name for path in directory.iterdir()] == ["left"]

    namespace("delete", "pod/writer", "pvc/claim")

    def given_back():
        owner = namespace.json("get", "pv", name)["spec"].get("claimRef", {})
        return owner.get("uid") != uid

    until(given_back)  # from then on, another test may use it
    assert not (directory / "left").exists()
