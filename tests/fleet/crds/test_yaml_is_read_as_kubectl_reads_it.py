"""The table of tests/spec/api, asked of the real kubectl."""

from atoll.api.yamltext import read
from tests.fleet.crds.conftest import Kubectl
from tests.spec.api.test_yaml_reads_as_kubectl import SCALARS


def test_every_scalar(kubectl: Kubectl) -> None:
    values = "".join(f"  v{number}: {text}\n" for number, (text, _) in enumerate(SCALARS))
    document = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, namespace: default}}\ndata:\n{values}"
    told = kubectl("create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-", text=document)
    assert read(told) == read(document)
