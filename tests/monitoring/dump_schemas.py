"""Write the schemas of Prometheus Operator's objects as JSON: `dump_schemas.py FOLDER`.

For the environment of schemas.lock, which `.ci/monitoring` makes.
"""

import json
import sys
from pathlib import Path

from cloudcoil.models.prometheus_operator import v1

for kind in ("PodMonitor", "PrometheusRule"):
    schema = getattr(v1, kind).model_json_schema(by_alias=True)
    # Go, whose patterns these are, takes flags in the middle of one.
    text = json.dumps(schema).replace('"^(?i)', '"(?i)^')
    Path(sys.argv[1], f"{kind}.json").write_text(text)
