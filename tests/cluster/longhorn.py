"""A volume that behaves like one of Longhorn, or of any other block storage driver.

The kubelet changes its group to each pod's fsGroup when that pod starts. (It does so for
a `local` volume with the first pod only, and never for a hostPath.) That takes a driver:
here the simplest kind the kubelet knows, which mounts a directory of the node.
"""

import json
from pathlib import Path

DRIVER = """#!/bin/sh
case $1 in
    init) echo '{"status": "Success", "capabilities": {"attach": false}}' ;;
    mount)
        directory=$(echo "$3" | sed 's/.*"directory":"\\([^"]*\\)".*/\\1/')
        mkdir -p "$2" && mount --bind "$directory" "$2" || exit 1
        echo '{"status": "Success"}'
        ;;
    *) echo '{"status": "Not supported"}' ;;
esac
"""


def install_driver(kubectl):
    """Install it where the kubelet looks for drivers."""
    asked = "/api/v1/nodes/node0/proxy/configz"
    config = json.loads(kubectl("get", "--raw", asked))["kubeletconfig"]
    folder = Path(config["volumePluginDir"]) / "tests~directory"
    if folder.exists():
        return
    made = folder.with_name(".tests~directory")
    made.mkdir(exist_ok=True)
    (made / "directory").write_text(DRIVER)
    (made / "directory").chmod(0o755)
    made.rename(folder)  # at once, as the kubelet sees it


def volume(kubectl, directory, claim="claude-credentials"):
    """The objects: a StorageClass, and a volume for the claim of that namespace."""
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "longhorn"},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "Immediate",
    }
    persistent = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"longhorn-{kubectl.namespace}"},
        "spec": {
            "storageClassName": "longhorn",
            "capacity": {"storage": "10Mi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": kubectl.namespace, "name": claim},
            "flexVolume": {
                "driver": "tests/directory",
                "options": {"directory": str(directory)},
            },
        },
    }
    return storage_class, persistent
