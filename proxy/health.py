"""``GET /health`` on the API's port, as the original has it. Probes: ``proxy.server``."""

import falcon


class Health:
    """``GET /health``: the process serves."""

    open_to_all = True

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Respond with ``{"status":"ok"}``, the body of the original."""
        resp.data = b'{"status":"ok"}'

    on_head = on_get  # wget --spider
