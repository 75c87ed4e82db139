"""A KubeFedCluster as a Cluster with a kubeconfig, and what is known of it as KubeFed's conditions."""

import base64
from typing import Any

import msgspec
import pytest

from atoll.api.cluster import ClusterStatus
from atoll.api.kubefed.cluster import KubeFedCluster, KubeFedClusterStatus
from atoll.fleet.link import CREDENTIALS_UNUSABLE, Reach
from atoll.hub.kubefed.members import connection, mirror, secret, told
from atoll.hub.kubefed.settings import Settings
from atoll.kube.config import load_kubeconfig
from atoll.kube.errors import ConfigError

CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
SETTINGS = Settings("kfs", away=20.0)
NOW = 1_800_000_000.0


def member(**spec: Any) -> KubeFedCluster:
    body = {
        "metadata": {"name": "eu", "namespace": "kfs", "labels": {"zone": "eu"}},
        "spec": {
            "apiEndpoint": "https://eu.test:6443",
            "secretRef": {"name": "eu"},
            "caBundle": base64.b64encode(CA.encode()).decode(),
            **spec,
        },
    }
    return msgspec.convert(body, KubeFedCluster)


def read(cluster: KubeFedCluster, settings: Settings = SETTINGS) -> Any:
    made = secret(cluster, connection(cluster, "t"), settings)
    return load_kubeconfig(base64.b64decode(made["data"]["kubeconfig"]), allow_exec=False, allow_files=False)


def test_its_kubeconfig_leads_there() -> None:
    config = read(member(proxyURL="http://proxy.test:3128"))
    assert (config.server, config.token, config.ca.decode(), config.proxy_url) == (
        "https://eu.test:6443",
        "t",
        CA,
        "http://proxy.test:3128",
    )
    assert (config.insecure, config.unchecked) == (False, ())


def test_a_host_alone_is_reached_by_tls() -> None:
    assert read(member(apiEndpoint="10.0.0.1:6443")).server == "https://10.0.0.1:6443"


@pytest.mark.parametrize(
    ("disabled", "insecure", "unchecked"),
    [
        (["*"], True, ()),
        (["SubjectName"], False, ("name",)),
        (["ValidityPeriod", "SubjectName"], False, ("dates", "name")),
    ],
)
def test_what_is_not_to_be_checked_of_its_certificate(
    disabled: list[str], insecure: bool, unchecked: tuple[str, ...]
) -> None:
    config = read(member(disabledTLSValidations=disabled))
    assert (config.insecure, config.unchecked) == (insecure, unchecked)


@pytest.mark.parametrize(
    ("spec", "token", "says"),
    [
        ({"caBundle": "%%"}, "t", "caBundle"),
        ({"disabledTLSValidations": ["Everything"]}, "t", "Everything"),
        ({}, "", "token"),
    ],
)
def test_what_cannot_be_used_is_named(spec: dict[str, Any], token: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        connection(member(**spec), token)


def test_the_cluster_has_its_labels_and_says_whose_it_is() -> None:
    assert mirror(member(), SETTINGS)["metadata"]["labels"] == {"zone": "eu", "atoll.dev/kubefed": "kfs"}


def test_a_control_plane_of_one_namespace_has_rights_there_alone() -> None:
    made = secret(member(), connection(member(), "t"), Settings("kfs", limited=True))
    assert made["metadata"]["annotations"] == {"atoll.dev/rights": "namespaces=kfs", "atoll.dev/home": "kfs"}


HERE = Reach(True, "", "", NOW - 1, "uid", "v1.36.1")
GONE = Reach(False, "Unreachable", "connection refused", NOW - 1)
KNOWN = ClusterStatus(zones=("eu-1a",), region="eu-1")


def kind(status: KubeFedClusterStatus | None) -> str:
    assert status is not None
    return status.conditions[0].type


def test_it_is_ready_at_once() -> None:
    status, wait = told(None, HERE, KNOWN, SETTINGS, NOW)
    assert status is not None
    assert (kind(status), status.kubernetes_version, status.zones, status.region) == (
        "Ready",
        "v1.36.1",
        ("eu-1a",),
        "eu-1",
    )
    assert (status.conditions[0].reason, status.conditions[0].message) == (
        "ClusterReady",
        "/healthz responded with ok",
    )
    assert wait == 0


def test_what_is_known_already_is_not_told_again() -> None:
    status, _ = told(None, HERE, KNOWN, SETTINGS, NOW)
    assert told(status, HERE, KNOWN, SETTINGS, NOW + 60)[0] is status


def test_it_is_offline_after_the_threshold() -> None:
    ready, _ = told(None, HERE, KNOWN, SETTINGS, NOW)
    still, wait = told(ready, GONE, KNOWN, SETTINGS, NOW)
    assert still is ready
    assert wait == pytest.approx(19.0)
    lost, _ = told(ready, GONE, KNOWN, SETTINGS, NOW + 20)
    assert lost is not None
    assert (kind(lost), lost.conditions[0].reason) == ("Offline", "ClusterNotReachable")
    assert "connection refused" in lost.conditions[0].message
    assert kind(told(lost, HERE, KNOWN, SETTINGS, NOW + 30)[0]) == "Ready"


def test_a_success_threshold_is_waited_for_too() -> None:
    slow = Settings("kfs", back=10.0)
    lost, _ = told(None, GONE, KNOWN, slow, NOW)
    still, wait = told(lost, HERE, KNOWN, slow, NOW)
    assert still is lost
    assert wait == pytest.approx(9.0)


def test_one_that_cannot_be_tried_is_malformed() -> None:
    refused = Reach(False, CREDENTIALS_UNUSABLE, "no kubeconfig", NOW - 60)
    assert kind(told(None, refused, KNOWN, SETTINGS, NOW)[0]) == "ConfigMalformed"
    assert kind(told(None, Reach(), KNOWN, SETTINGS, NOW, "no token")[0]) == "ConfigMalformed"


def test_one_that_was_ready_under_another_control_plane_is_malformed_at_once() -> None:
    ready, _ = told(None, HERE, KNOWN, SETTINGS, NOW)
    status, wait = told(ready, Reach(), KNOWN, SETTINGS, NOW, "there is a Cluster of that name")
    assert (kind(status), wait) == ("ConfigMalformed", 0.0)


def test_nothing_is_said_before_it_was_tried() -> None:
    assert told(None, Reach(), KNOWN, SETTINGS, NOW) == (None, 0.0)
