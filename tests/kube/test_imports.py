"""The cost of importing the client, and which parts are left out."""

from __future__ import annotations

import subprocess
import sys

DEAR = ("kubernetes.client", "kubernetes.aio.client.api", "requests", "urllib3", "oauthlib")


def loaded_by(module: str) -> set[str]:
    """The modules in a fresh interpreter after the import."""
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_without_a_configmap_nothing_of_the_client_is_loaded() -> None:
    assert not {name for name in loaded_by("sidecar.cli.serve") if name.startswith("kubernetes")}


def test_with_one_only_what_is_needed_is_loaded() -> None:
    """Credentials and requests, without the generated API and the dependencies of packages."""
    loaded = loaded_by("sidecar.documents.api")
    assert "kubernetes.aio.config.incluster_config" in loaded
    assert not loaded & set(DEAR)
    assert not {name for name in loaded if name.startswith("kubernetes.aio.client.models.")}


def test_whoever_imports_the_client_later_has_all_of_it() -> None:
    """A plugin may need the parts that were left out."""
    code = (
        "import sidecar.documents.api, kubernetes, kubernetes.aio; "
        "print(kubernetes.client.CoreV1Api.__name__, kubernetes.aio.client.CoreV1Api.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["CoreV1Api", "CoreV1Api"]
