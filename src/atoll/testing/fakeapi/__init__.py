"""A fake API server: behaves as a kube-apiserver for objects of any kind, in memory, and fails when it is told to.

`FakeCluster` has the rules, `FakeApi` the HTTP, `Faults` what goes wrong. No controllers run and nothing is validated
beyond what every kind shares, so it is for tests of clients and loops; what a real server says of a particular kind is
tried with a real one.
"""

from atoll.testing.fakeapi.cluster import FakeCluster
from atoll.testing.fakeapi.faults import (
    BreakWatch,
    Delay,
    EndWatch,
    Fault,
    Faults,
    Gone,
    HangWatch,
    Refuse,
    Repeat,
    Reset,
    Rule,
    SlowBody,
)
from atoll.testing.fakeapi.kinds import Kind
from atoll.testing.fakeapi.refusals import Refusal
from atoll.testing.fakeapi.server import FakeApi

__all__ = [
    "BreakWatch",
    "Delay",
    "EndWatch",
    "FakeApi",
    "FakeCluster",
    "Fault",
    "Faults",
    "Gone",
    "HangWatch",
    "Kind",
    "Refusal",
    "Refuse",
    "Repeat",
    "Reset",
    "Rule",
    "SlowBody",
]
