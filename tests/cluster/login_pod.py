"""How a person logs in where no refresher's pod stands, to be pasted into a shell."""

LOGIN = """\
kubectl run claude-login -it --rm --restart=Never --image=claude-code-proxy-refresher \\
  --image-pull-policy=IfNotPresent --override-type=strategic --overrides='{"spec": {
    "automountServiceAccountToken": false,
    "securityContext": {"runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001,
      "runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [{"name": "claude-login",
      "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
      "volumeMounts": [{"name": "login", "mountPath": "/var/lib/claude"}]}],
    "volumes": [{"name": "login", "persistentVolumeClaim": {"claimName": "claude-credentials"}}]
  }}' --command -- claude auth login
"""
"""Asks for the browser and for the code that it shows."""

IMPORT = LOGIN.replace(" -it ", " -i ").replace(
    "claude auth login", "claude-refresher import < .credentials.json"
)
"""Takes a login that was made on another machine, for this one."""
