"""A metrics adapter for the autoscaler: the custom metrics API, on the pods' own metrics.

    with metrics_api.serve(kubectl, outside, selector):
        ...  # a HorizontalPodAutoscaler of kubectl's namespace can use the metric

A real adapter asks Prometheus; this one reads each pod's `/metrics` when it is asked. The
API server finds it through an APIService, which belongs to the whole cluster and so is
there for the block only.
"""

import http.server
import json
import ssl
import threading
import urllib.parse
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx2
import trustme

from node import PATIENCE, condition, running
from quiet_server import SelfClosing

IN_FLIGHT = "claude_proxy_requests_in_flight"
GROUP, VERSION = "custom.metrics.k8s.io", "v1beta2"
PATH = f"/apis/{GROUP}/{VERSION}"
API_SERVICE = f"{VERSION}.{GROUP}"


def in_flight(pod):
    """The completions that a pod is answering, by its own metrics."""
    url = f"http://{pod['status']['podIP']}:8090/metrics"
    text = httpx2.get(url, timeout=PATIENCE).text
    [line] = [line for line in text.splitlines() if line.startswith(f"{IN_FLIGHT} ")]
    return float(line.split()[1])


@contextmanager
def serve(kubectl, host, selector):
    """Serve the metric of the namespace's pods that match `selector` until the block ends."""
    ca = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(host).configure_cert(tls)
    tls.sslsocket_class = SelfClosing
    server = http.server.ThreadingHTTPServer((host, 0), _Handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    server.values = lambda: _values(kubectl, selector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with _aggregated(kubectl, host, server.server_port):
            yield
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _aggregated(kubectl, host, port):
    """Have the API server pass the API's requests on to this address."""
    # An ExternalName is dialled as it stands, without waiting for kube-proxy.
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "metrics-adapter"},
        "spec": {"type": "ExternalName", "externalName": host},
    }
    where = {"name": "metrics-adapter", "namespace": kubectl.namespace, "port": port}
    api_service = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": API_SERVICE},
        "spec": {
            "group": GROUP,
            "version": VERSION,
            "service": where,
            "insecureSkipTLSVerify": True,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        },
    }
    kubectl.apply(service)
    try:
        kubectl.apply(api_service)
        kubectl.wait(f"apiservice/{API_SERVICE}", "condition=Available")
        yield
    finally:
        kubectl("delete", "apiservice", API_SERVICE, "--ignore-not-found")


def _values(kubectl, selector):
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        {
            "describedObject": {
                "apiVersion": "/v1",
                "kind": "Pod",
                "name": pod["metadata"]["name"],
                "namespace": kubectl.namespace,
            },
            "metric": {"name": IN_FLIGHT},
            "timestamp": now,
            "value": str(int(in_flight(pod))),
        }
        for pod in running(kubectl, selector)
        if condition(pod, "Ready")["status"] == "True"
    ]


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = urllib.parse.unquote(self.path.partition("?")[0])
        version = f"{GROUP}/{VERSION}"
        if path == PATH:
            resource = {
                "name": f"pods/{IN_FLIGHT}",
                "singularName": "",
                "namespaced": True,
                "kind": "MetricValueList",
                "verbs": ["get"],
            }
            self._send(
                {
                    "kind": "APIResourceList",
                    "apiVersion": "v1",
                    "groupVersion": version,
                    "resources": [resource],
                }
            )
        elif path.startswith(f"{PATH}/") and path.endswith(f"/pods/*/{IN_FLIGHT}"):
            values = self.server.values()
            self._send(
                {
                    "kind": "MetricValueList",
                    "apiVersion": version,
                    "metadata": {},
                    "items": values,
                }
            )
        else:
            self.send_error(404)

    def _send(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Log nothing."""
