"""Install what ships as a user does: a kustomization over ours, and the Secrets first.

    folder = kustomization(tmp_path / "k", "kustomize/overlays/api-key",
                           patches=[proxy_environ(ANTHROPIC_API_BASE=standin.base_url)])
    make_keys(kubectl)
    kubectl("apply", "--kustomize", folder)

The patches hold only what a test needs to differ, such as where Anthropic is.
"""

import json
import os
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
KEY = "an-inbound-key"
API_KEY = "sk-ant-api03-of-a-test"


def kustomization(folder, *resources, components=(), patches=(), **more):
    """Write a user's kustomization; returns its folder.

    Resources and components are folders of the project, by their path from its root.
    Objects among the resources become files.
    """
    folder.mkdir(parents=True)
    listed = []
    for number, one in enumerate(resources):
        if isinstance(one, dict):
            name = f"{number}.yaml"
            (folder / name).write_text(yaml.safe_dump(one))
            listed.append(name)
        else:
            listed.append(_from(folder, one))
    written = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": listed,
        "components": [_from(folder, one) for one in components],
        "patches": [_patch(one) for one in patches],
        **more,
    }
    (folder / "kustomization.yaml").write_text(json.dumps(written))
    return str(folder)


def _from(folder, ours):
    # kustomize accepts folders outside its own by relative path only
    return os.path.relpath(ROOT / ours, folder.resolve())


def _patch(one):
    return one if "patch" in one else {"patch": json.dumps(one)}


def pod_patch(kind, name, *, labels=None, **spec):
    """A patch of a pod template."""
    template = {"spec": spec}
    if labels:
        template["metadata"] = {"labels": labels}
    group = "batch/v1" if kind == "Job" else "apps/v1"
    return {
        "apiVersion": group,
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"template": template},
    }


def as_list(environ):
    return [{"name": name, "value": value} for name, value in environ.items()]


def proxy_environ(**environ):
    """A patch of the Deployment behind the Service."""
    container = {"name": "proxy", "env": as_list(environ)}
    return pod_patch("Deployment", "claude-code-proxy", containers=[container])


def sidecar_environ(kind, name, **environ):
    """A patch of the sidecar in a user's own pod."""
    container = {"name": "claude-proxy", "env": as_list(environ)}
    return pod_patch(kind, name, initContainers=[container])


def refresher_at(standin):
    """A patch that points the refresher at the OAuth stand-in; needs `make_authority`."""
    environ = {
        "HTTPS_PROXY": standin.url,
        "NODE_EXTRA_CA_CERTS": "/authority/ca.pem",
    }
    container = {
        "name": "refresher",
        "env": as_list(environ),
        "volumeMounts": [{"name": "authority", "mountPath": "/authority"}],
    }
    volume = {"name": "authority", "configMap": {"name": "authority"}}
    return pod_patch(
        "StatefulSet", "claude-refresher", containers=[container], volumes=[volume]
    )


def make_authority(kubectl, pem):
    """Create the ConfigMap with a stand-in's CA."""
    kubectl("create", "configmap", "authority", f"--from-literal=ca.pem={pem}")


def log_in(kubectl, login):
    """Import a login into the refresher as soon as it runs."""
    pod = "claude-refresher-0"
    kubectl.wait(f"pod/{pod}", "create")
    started = "jsonpath={.status.containerStatuses[0].started}=true"
    kubectl.wait(f"pod/{pod}", started)
    words = ("exec", "--stdin", pod, "--", "claude-refresher", "import")
    kubectl(*words, data=login)


def make_keys(kubectl):
    """The two Secrets that a user creates for overlays/api-key."""
    make_inbound_key(kubectl)
    secret(kubectl, "anthropic-api-key", **{"api-key": API_KEY})


def make_inbound_key(kubectl):
    secret(kubectl, "claude-proxy-key", key=KEY)


def secret(kubectl, name, **words):
    given = [f"--from-literal={key}={value}" for key, value in words.items()]
    kubectl("create", "secret", "generic", name, *given)
