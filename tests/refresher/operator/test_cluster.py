"""The API calls, without a cluster; tests/cluster/operator has the real one."""

import http.server
import json
import threading

import pytest

from refresher.operator.cluster import Cluster
from refresher.settings import Settings


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Knows no ClaudeCredential."""

    def do_GET(self):
        data = json.dumps({"items": []}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def kubeconfig(tmp_path, monkeypatch):
    """A kubeconfig that names an API server on loopback."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(config))
        monkeypatch.setattr(
            "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path)
        )
        yield
        server.shutdown()


def test_the_clis_way_through_a_proxy_is_not_the_way_to_the_api_server(
    kubeconfig, monkeypatch
):
    for name in ("NO_PROXY", "no_proxy", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens

    cluster = Cluster(Settings.from_environ({"HOME": "/", "POD_NAMESPACE": "ours"}))

    assert cluster.find() is None
