"""`LocalFleet`: brings a fleet up, heals it, takes it down. `up` compares what should run with what does."""

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

from atoll.api.objects import Json
from atoll.testing.localfleet import components, kubeconfig, ports, processes, state
from atoll.testing.localfleet.admin import Admin
from atoll.testing.localfleet.certificates import Authority, Pair, signing_key, write_private
from atoll.testing.localfleet.components import ClusterPlan, EtcdPlan
from atoll.testing.localfleet.nodes import nodes
from atoll.testing.localfleet.processes import Process
from atoll.testing.localfleet.shape import ClusterShape, FleetShape, grown
from atoll.testing.progress import Progress, Silent

Programs = Callable[[str], Path]

USERS = ("kube-controller-manager", "kube-scheduler", "kwok")
LOG_LIMIT = 64 << 20


class ComponentError(Exception):
    """A component ended, or did not become ready. The message says where its log is, and how it ends."""


class LocalFleet:
    """The fleet whose files lie in `folder`.

    `programs` finds a component's binary by name (see `atoll.testing.binaries`); `progress` is told of each step.
    """

    def __init__(self, folder: Path, programs: Programs, progress: Progress | None = None) -> None:
        self.folder = folder.absolute()
        self._programs = programs
        self._progress = Silent() if progress is None else progress
        self._guard = threading.Lock()
        self._interrupted = threading.Event()
        self._state = state.load(self.folder)

    @property
    def kubeconfig(self) -> Path:
        """Contexts `hub`, `member1` …, each with all rights."""
        return self.folder / "kubeconfig"

    @property
    def contexts(self) -> tuple[str, ...]:
        return tuple(cluster.name for cluster in self._state.clusters)

    @property
    def clusters(self) -> tuple[ClusterShape, ...]:
        return self._state.clusters

    @property
    def running(self) -> Mapping[str, Process]:
        """The components that run now, by name."""
        recorded = dict(self._state.processes)  # other threads may be adding to it
        return {name: process for name, process in recorded.items() if process.alive}

    @property
    def alive(self) -> bool:
        """There is a fleet, and each of its components runs."""
        recorded = self._state.processes
        return bool(recorded) and all(process.alive for process in recorded.values())

    @property
    def holds_other_things(self) -> bool:
        """There is something in its folder, and no fleet."""
        try:
            found = {path.name for path in self.folder.iterdir()}
        except FileNotFoundError:
            return False
        return bool(found - state.FIRST) and state.FILE not in found

    def up(self, shape: FleetShape) -> None:
        """Start what does not run, and return when all is ready. Running components are left alone unless their
        arguments changed. A fleet grows to `shape`, but never shrinks: that would be losing clusters by accident.
        """
        with state.locked(self.folder, self._progress):
            self._state = state.load(self.folder)
            self._adopt_unrecorded()
            self._state.clusters = grown(self._state.clusters, shape.clusters())
            self._state.audit = shape.audit
            self._state.execs = shape.execs
            self._ensure_ports()
            store = self._store()
            self._ensure("etcd", "etcd", components.etcd(store))
            health = Admin(store.port, store.authority, store.client)
            self._wait("etcd", lambda: health.answers("/health"))
            plans = [self._plan(cluster) for cluster in self._state.clusters]
            self._interrupted.clear()
            with ThreadPoolExecutor(len(plans)) as pool:
                try:
                    admins = list(pool.map(lambda plan: self._bring_up(plan, store), plans))
                except BaseException:  # the threads of the other clusters are waiting: nobody wants their answer now
                    self._interrupted.set()
                    raise
            kubeconfig.write_people(self.kubeconfig, list(zip(plans, admins, strict=True)))

    def down(self, *, purge: bool = False) -> None:
        """End this fleet's processes, and no others. `purge` removes its folder, too."""
        if not self.folder.exists():
            return
        with state.locked(self.folder, self._progress):
            self._state = state.load(self.folder)
            mine = list(self._state.processes.values()) + [p for _, p in processes.marked(self._mark(""))]
            last = {name for name in self._state.processes if name == "etcd"}  # what the others end on
            final = [self._state.processes[name] for name in last]
            processes.stop([process for process in mine if process not in final])
            processes.stop(final)
            self._state.processes = {}
            state.save(self.folder, self._state)
            if purge:
                shutil.rmtree(self.folder)

    def run(self, name: str, args: Sequence[str], *, environment: Mapping[str, str]) -> Process:
        """Make sure that `args` runs as the component `name` of this fleet; `down` will stop it."""
        with state.locked(self.folder, self._progress):
            self._state = state.load(self.folder)
            return self._ensure_running(name, args, environment)

    def stop(self, *names: str, patience: float = 10.0) -> None:
        """End single components, as a crash would (`patience=0` kills); the next `up` starts them again."""
        processes.stop([self._state.processes[name] for name in names], patience=patience)

    def log(self, name: str) -> Path:
        """Where the component `name` writes what it says."""
        return self.folder / "logs" / f"{name.replace('/', '-')}.log"

    def port(self, name: str) -> int:
        """The port kept for `name`, chosen free when it is asked for first."""
        with self._guard:
            if name not in self._state.ports:
                self._state.ports[name] = ports.choose(set(self._state.ports.values()))
                state.save(self.folder, self._state)
            return self._state.ports[name]

    def admin(self, cluster: str) -> Admin:
        """Plain requests to `cluster` with all rights."""
        pki = self.folder / cluster / "pki"
        return Admin(self._state.ports[cluster], pki / "ca.crt", Pair(pki / "admin.crt", pki / "admin.key"))

    def _mark(self, name: str) -> str:
        return f"{self.folder}:{name}"

    def _adopt_unrecorded(self) -> None:
        running = self.running
        for name, process in processes.marked(self._mark("")):
            if name not in running:
                self._state.processes[name] = process

    def _ensure_ports(self) -> None:
        """Keep the ports of old, but leave those that somebody else took while their component did not run."""
        owners = {"etcd": "etcd", "etcd-peer": "etcd"}
        for cluster in self._state.clusters:
            owners[cluster.name] = f"{cluster.name}/kube-apiserver"
            owners[f"{cluster.name}/kubelet"] = f"{cluster.name}/kwok"
        running = self.running
        for name, owner in owners.items():
            port = self._state.ports.get(name)
            if port is not None and owner not in running and not ports.is_free(port):
                del self._state.ports[name]
                if name in self.contexts:  # the others of this cluster look for their server at the old port
                    processes.stop([p for n, p in running.items() if n.startswith(f"{name}/")], patience=2)
            self.port(name)

    def _store(self) -> EtcdPlan:
        authority = Authority(self.folder / "etcd" / "pki", "etcd")
        return EtcdPlan(
            data=self.folder / "etcd" / "data",
            port=self.port("etcd"),
            peer_port=self.port("etcd-peer"),
            authority=authority.pair.cert,
            server=authority.issue("server", "etcd", hosts=("127.0.0.1", "localhost")),
            client=authority.issue("client", "kube-apiserver"),
        )

    def _plan(self, shape: ClusterShape) -> ClusterPlan:
        folder = self.folder / shape.name
        authority = Authority(folder / "pki", f"{shape.name}-ca")
        front = Authority(folder / "pki" / "front-proxy", f"{shape.name}-front-proxy-ca")
        names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
        return ClusterPlan(
            shape=shape,
            folder=folder,
            port=self.port(shape.name),
            kubelet_port=self.port(f"{shape.name}/kubelet"),
            etcd_prefix=f"/{shape.name}",
            authority=authority.pair,
            server=authority.issue(
                "apiserver", "kube-apiserver", hosts=("127.0.0.1", "localhost", *names, shape.service_address)
            ),
            front_authority=front.pair,
            front_client=front.issue("client", "front-proxy-client"),
            kubelet_client=authority.issue(
                "kubelet-client", "kube-apiserver-kubelet-client", groups=["system:masters"]
            ),
            kubelet_server=authority.issue("kubelet", "kubelet", hosts=("127.0.0.1", "localhost")),
            signing_key=signing_key(folder / "pki"),
            audit=self._state.audit,
            execs=self._state.execs,
            admin=authority.issue("admin", "admin", groups=["system:masters"]),
            users={user: authority.issue(user, f"system:{user}", groups=["system:masters"]) for user in USERS},
        )

    def _bring_up(self, plan: ClusterPlan, store: EtcdPlan) -> Pair:
        began = time.monotonic()
        name = plan.shape.name
        write_files(plan, self.log(f"{name}/pods"))
        running = self.running
        if f"{name}/kube-apiserver" not in running:  # its clients back off for up to half a minute; new ones don't
            processes.stop([running[c] for user in USERS if (c := f"{name}/{user}") in running], patience=0)
        self._ensure(f"{name}/kube-apiserver", "kube-apiserver", components.kube_apiserver(plan, store))
        admin = Admin(plan.port, plan.authority.cert, plan.admin)
        self._wait(f"{name}/kube-apiserver", lambda: admin.answers("/readyz"))
        if not plan.shape.bare:
            self._bring_to_life(plan, admin)
        self._progress.step(f"{name} is ready ({time.monotonic() - began:.1f} s)")
        return plan.admin

    def _bring_to_life(self, plan: ClusterPlan, admin: Admin) -> None:
        """Controllers, and where workloads run, a scheduler and nodes."""
        name = plan.shape.name
        manager = f"{name}/kube-controller-manager"
        self._ensure(manager, "kube-controller-manager", components.kube_controller_manager(plan))
        if plan.shape.workloads:
            self._ensure(f"{name}/kube-scheduler", "kube-scheduler", components.kube_scheduler(plan))
            for node in nodes(plan.shape):
                status, body = admin.request("POST", "/api/v1/nodes", node)
                if status not in (201, 409):
                    raise ComponentError(f"{name} does not take a node: {body.decode(errors='replace')}")
            self._ensure(f"{name}/kwok", "kwok", components.kwok(plan))
            self._wait(f"{name}/kwok", lambda: nodes_ready(admin, plan.shape.nodes))
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._wait(manager, lambda: admin.answers(account))

    def _ensure(self, name: str, program: str, args: Sequence[str]) -> None:
        environment = {**components.ENVIRONMENT, "PATH": os.defpath, "HOME": str(self.folder)}
        self._ensure_running(name, [str(self._programs(program)), *args], environment)

    def _ensure_running(self, name: str, args: Sequence[str], environment: Mapping[str, str]) -> Process:
        present = self._state.processes.get(name)
        if present is not None and present.alive:
            if present.args[1:] == tuple(args[1:]):  # the same program found elsewhere is no reason to restart
                return present
            processes.stop([present])
        log = self.log(name)
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".old.log"))
        with self._guard:
            started = processes.start(args, mark=self._mark(name), log=log, environment=environment)
            self._state.processes[name] = started
            state.save(self.folder, self._state)
        return started

    def _wait(self, name: str, ready: Callable[[], bool], *, patience: float = 180.0) -> None:
        """Until `ready`, or until the component `name` ended."""
        give_up_at = time.monotonic() + patience
        while not ready():
            if not self._state.processes[name].alive:
                raise ComponentError(f"{name} ended. {self.last_words(name)}")
            if self._interrupted.is_set():
                raise ComponentError(f"{name}: waiting was interrupted")
            self._progress.tick(f"waiting for {name}")
            if time.monotonic() > give_up_at:
                raise ComponentError(f"{name} is not ready after {patience:.0f} s. {self.last_words(name)}")
            time.sleep(0.05)

    def last_words(self, name: str) -> str:
        """How the log of component `name` ends, for error messages."""
        log = self.log(name)
        lines = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
        return f"Its log {log} ends with:\n" + "\n".join(f"  {line[:400]}" for line in lines)


def nodes_ready(admin: Admin, wanted: int) -> bool:
    """At least `wanted` nodes are Ready, and free of the taint that new nodes carry."""
    items = json.loads(admin.request("GET", "/api/v1/nodes")[1]).get("items", [])
    ready = [
        node
        for node in items
        if any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))
        and not node["spec"].get("taints")
    ]
    return len(ready) >= wanted


def write_files(plan: ClusterPlan, pod_log: Path) -> None:
    """What the components of one cluster read at their start."""
    for user, identity in plan.users.items():
        kubeconfig.write_component(plan, user, identity)
    policy = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata"}],
    }
    write_private(plan.folder / "audit-policy.json", json.dumps(policy).encode())
    pod_log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    pod_log.write_text(
        "".join(f"2026-01-01T00:00:{n:02}.000000000Z stdout F line {n} of a simulated Pod\n" for n in range(1, 21))
    )
    stages = resources.files(__package__).joinpath("stages.yaml").read_text()
    looks = "".join(f"---\n{json.dumps(body)}\n" for body in pods(plan, pod_log))
    write_private(plan.kwok_config, f"{stages}{looks}".encode())


def pods(plan: ClusterPlan, log: Path) -> list[Json]:
    """What a look into a simulated Pod finds: the lines of `log`, whoever asks, and ports that give back what they get.

    Commands are executed where the fleet was made for that.
    """
    kinds: dict[str, Json] = {
        "ClusterLogs": {"logs": [{"logsFile": str(log)}]},
        "ClusterPortForward": {"forwards": [{"command": ["cat"]}]},
    }
    if plan.execs:
        place = plan.folder / "pods"
        place.mkdir(exist_ok=True, mode=0o700)
        # kwok never closes a command's input: a tar with larger blocks would wait for what fills the last one
        small = [{"name": "TAR_OPTIONS", "value": "--blocking-factor=1"}]
        kinds["ClusterExec"] = {"execs": [{"local": {"workDir": str(place), "envs": small}}]}
    return [
        {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": kind, "metadata": {"name": "all"}, "spec": spec}
        for kind, spec in kinds.items()
    ]
