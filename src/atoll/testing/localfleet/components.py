"""The command lines of a fleet's components. Pure: folders, ports and shapes in, arguments out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from atoll.testing.localfleet.certificates import Pair
from atoll.testing.localfleet.shape import ClusterShape

LONELY_CONTROLLERS = (
    "namespace-controller",
    "garbage-collector-controller",
    "resourcequota-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    "clusterrole-aggregation-controller",
    "certificatesigningrequest-approving-controller",
    "certificatesigningrequest-signing-controller",
    "certificatesigningrequest-cleaner-controller",
    "validatingadmissionpolicy-status-controller",
)
"""What a control plane needs that only keeps objects: nothing here makes a Pod of a Deployment."""


@dataclass(frozen=True)
class EtcdPlan:
    """Where etcd keeps its data, listens, and which certificates it and its clients use."""

    data: Path
    port: int
    peer_port: int
    authority: Path
    server: Pair
    client: Pair


@dataclass(frozen=True)
class ClusterPlan:
    """Files and ports of one cluster."""

    shape: ClusterShape
    folder: Path
    port: int
    kubelet_port: int
    etcd_prefix: str
    authority: Pair
    server: Pair
    front_authority: Pair
    front_client: Pair
    kubelet_client: Pair
    kubelet_server: Pair
    signing_key: Path
    audit: bool
    execs: bool
    admin: Pair
    users: Mapping[str, Pair]

    @property
    def server_url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def kwok_config(self) -> Path:
        """Of another name where Pods execute: kwok reads it once."""
        return self.folder / ("kwok-execs.yaml" if self.execs else "kwok.yaml")

    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig of `user` for this cluster."""
        return self.folder / f"{user}.kubeconfig"


def etcd(plan: EtcdPlan) -> list[str]:
    """One member, TLS for clients and peers. It need not survive a power cut, so it does not wait for the disk."""
    client, peer = f"https://127.0.0.1:{plan.port}", f"https://127.0.0.1:{plan.peer_port}"
    return [
        "--name=local",
        f"--data-dir={plan.data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=local={peer}",
        f"--cert-file={plan.server.cert}",
        f"--key-file={plan.server.key}",
        f"--trusted-ca-file={plan.authority}",
        "--client-cert-auth=true",
        f"--peer-cert-file={plan.server.cert}",
        f"--peer-key-file={plan.server.key}",
        f"--peer-trusted-ca-file={plan.authority}",
        "--peer-client-cert-auth=true",
        "--unsafe-no-fsync=true",
        "--quota-backend-bytes=8589934592",  # many clusters and big tests share it
        "--log-level=warn",
    ]


def kube_apiserver(plan: ClusterPlan, store: EtcdPlan) -> list[str]:
    """On loopback only, TLS, RBAC, nobody anonymous."""
    args = [
        f"--etcd-servers=https://127.0.0.1:{store.port}",
        f"--etcd-prefix={plan.etcd_prefix}",
        f"--etcd-cafile={store.authority}",
        f"--etcd-certfile={store.client.cert}",
        f"--etcd-keyfile={store.client.key}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={plan.port}",
        "--endpoint-reconciler-type=none",  # an Endpoints object may not hold a loopback address
        f"--tls-cert-file={plan.server.cert}",
        f"--tls-private-key-file={plan.server.key}",
        f"--client-ca-file={plan.authority.cert}",
        f"--requestheader-client-ca-file={plan.front_authority.cert}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={plan.front_client.cert}",
        f"--proxy-client-key-file={plan.front_client.key}",
        f"--kubelet-client-certificate={plan.kubelet_client.cert}",
        f"--kubelet-client-key={plan.kubelet_client.key}",
        f"--kubelet-certificate-authority={plan.authority.cert}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-key-file={plan.signing_key}",
        f"--service-account-signing-key-file={plan.signing_key}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-cluster-ip-range={plan.shape.service_cidr}",
        "--authorization-mode=RBAC",
        "--anonymous-auth=false",
        "--allow-privileged=true",
        "--profiling=false",
        "--enable-aggregator-routing=true",
    ]
    if plan.audit:
        args += [
            f"--audit-policy-file={plan.folder / 'audit-policy.json'}",
            f"--audit-log-path={plan.folder / 'audit.log'}",
            "--audit-log-maxsize=200",
            "--audit-log-maxbackup=3",
        ]
    return args


def kube_controller_manager(plan: ClusterPlan) -> list[str]:
    """All controllers where workloads run, else those that only keep objects."""
    kubeconfig = plan.kubeconfig("kube-controller-manager")
    args = [
        f"--kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--secure-port=0",
        "--profiling=false",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        f"--root-ca-file={plan.authority.cert}",
        f"--service-account-private-key-file={plan.signing_key}",
        f"--cluster-signing-cert-file={plan.authority.cert}",
        f"--cluster-signing-key-file={plan.authority.key}",
        "--use-service-account-credentials=false",
    ]
    if not plan.shape.workloads:
        args.append(f"--controllers={','.join(LONELY_CONTROLLERS)}")
    return args


def kube_scheduler(plan: ClusterPlan) -> list[str]:
    return [
        f"--kubeconfig={plan.kubeconfig('kube-scheduler')}",
        "--leader-elect=false",
        "--secure-port=0",
        "--profiling=false",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def kwok(plan: ClusterPlan) -> list[str]:
    """Plays the kubelets of all nodes; serves their logs, too."""
    return [
        f"--kubeconfig={plan.kubeconfig('kwok')}",
        f"--config={plan.kwok_config}",
        "--manage-all-nodes=true",
        f"--cidr={plan.shape.pod_cidr}",
        "--node-ip=127.0.0.1",
        f"--node-port={plan.kubelet_port}",
        f"--server-address=127.0.0.1:{plan.kubelet_port}",
        f"--tls-cert-file={plan.kubelet_server.cert}",
        f"--tls-private-key-file={plan.kubelet_server.key}",
        "--node-lease-duration-seconds=40",
        "--v=WARN",
    ]


ENVIRONMENT: Mapping[str, str] = {
    "GOGC": "60",  # a fleet's control planes idle most of the time; memory is what runs out first
}
