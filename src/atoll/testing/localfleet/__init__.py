"""A local fleet: real Kubernetes clusters as plain processes on one machine.

One etcd holds them all, each under a prefix of its own. Every cluster has its own certificate authority, kube-apiserver
and kube-controller-manager; members have a kube-scheduler and kwok besides, whose simulated nodes let Pods run, fail to
pull their image, or crash. Everything lies in one folder and outlives the process that started it.
"""

from atoll.testing.localfleet.fleet import ComponentError, LocalFleet
from atoll.testing.localfleet.shape import ClusterShape, FleetShape
from atoll.testing.localfleet.state import FleetBusyError

__all__ = ["ClusterShape", "ComponentError", "FleetBusyError", "FleetShape", "LocalFleet"]
