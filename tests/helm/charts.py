"""Charts rendered with real Helms: both major versions, whose output must be the same."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from tests.helm.tools import HELMS

ROOT = Path(__file__).parents[2]
SIDECAR = ROOT / "helm" / "cache-sidecar"
EXAMPLE = ROOT / "helm" / "example-app"
VERSIONS = tuple(f"1.{minor}" for minor in range(28, 38))
"""The versions of Kubernetes that the chart supports."""
OPERATOR = ("monitoring.coreos.com/v1/PodMonitor", "monitoring.coreos.com/v1/PrometheusRule")
"""The API versions of a cluster with the Prometheus operator."""
IMAGE = {"cache-sidecar": {"image": {"repository": "registry.example.com/cache-sidecar"}}}
"""The required values of a chart with the sidecar as a dependency."""
PATIENCE_SECONDS = 60

Object = dict[str, Any]


class RefusedError(Exception):
    """The chart did not render; the output of each Helm, by its major version."""

    def __init__(self, said: Mapping[str, str]) -> None:
        super().__init__("\n".join(f"Helm {major}: {text}" for major, text in said.items()))
        self.said = said


def render(
    chart: Path,
    values: Mapping[str, Any] | None = None,
    *,
    kube: str = "1.36",
    apis: Sequence[str] = (),
    release: str = "demo",
    namespace: str = "shop",
) -> list[Object]:
    """The objects of `helm template`.

    Raises RefusedError if it is rejected. Fails if the Helms differ in that, or in their output.
    """
    flags = [f"--kube-version={kube}.0", f"--namespace={namespace}"]
    flags += [f"--api-versions={api}" for api in apis]
    results = helms("template", release, str(chart), *flags, "--values=-", stdin=json.dumps(values))
    refusals = {major: done.stderr for major, done in results.items() if done.returncode}
    if refusals:
        assert refusals.keys() == results.keys(), f"only one Helm refuses: {refusals}"
        raise RefusedError(refusals)
    three, four = (objects(results[major].stdout) for major in ("3", "4"))
    assert three == four
    return four


def helms(
    *arguments: str, stdin: str = "", majors: Collection[str] = HELMS
) -> dict[str, subprocess.CompletedProcess[str]]:
    """Run the same command with several Helms, by major version; any status."""
    missing = [str(HELMS[major]) for major in majors if not HELMS[major].exists()]
    assert not missing, f"{missing} not found: run `make tools`"

    def run(major: str) -> subprocess.CompletedProcess[str]:
        command = [str(HELMS[major]), *arguments]
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    with ThreadPoolExecutor() as pool:
        return dict(zip(majors, pool.map(run, majors), strict=True))


def objects(text: str) -> list[Object]:
    """The documents in some YAML, sorted; without those with only comments."""
    found = [document for document in yaml.load_all(text, _Strict) if document is not None]
    return sorted(found, key=_identity)


def of_kind(found: Iterable[Object], kind: str) -> list[Object]:
    return [thing for thing in found if thing["kind"] == kind]


def one(found: Iterable[Object], kind: str) -> Object:
    """The only object of a kind."""
    [thing] = of_kind(found, kind)
    return thing


def chart_of_ones_own(
    folder: Path, templates: Mapping[str, str], *, alias: str | None = None
) -> Path:
    """A chart in `folder` with these templates, and with the sidecar as a dependency."""
    dependency = {"name": "cache-sidecar", "version": "*"} | ({"alias": alias} if alias else {})
    metadata = {"apiVersion": "v2", "name": "shop", "version": "1.0.0"}
    (folder / "templates").mkdir(parents=True)
    (folder / "charts").mkdir()
    (folder / "charts" / "cache-sidecar").symlink_to(SIDECAR)
    (folder / "Chart.yaml").write_text(json.dumps(metadata | {"dependencies": [dependency]}))
    for name, text in templates.items():
        (folder / "templates" / name).write_text(text)
    return folder


def _identity(thing: Object) -> tuple[str, str, str]:
    metadata = thing["metadata"]
    return thing["kind"], metadata.get("namespace", ""), metadata["name"]


class _Strict(yaml.CSafeLoader):
    """Rejects duplicate keys, as an API server does."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        mapping = super().construct_mapping(node, deep)
        assert len(mapping) == len(node.value), f"a key stands twice{node.start_mark}"
        return mapping
