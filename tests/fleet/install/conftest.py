"""A fleet of its own, since installing and uninstalling concern a whole cluster: a hub and one member, audited."""

from collections.abc import Iterator

import pytest

from atoll.testing.binaries import Binaries
from atoll.testing.localfleet import FleetShape, LocalFleet
from atoll.testing.progress import Lines
from tests.fleet.install.installed import Installed, fleet_folder


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalFleet]:
    """The one in $ATOLL_TEST_INSTALL_FLEET, when it is given, stays."""
    given = fleet_folder()
    fleet = LocalFleet(given or tmp_path_factory.mktemp("install"), Binaries(Lines()).find, Lines())
    try:
        fleet.up(FleetShape(members=1, audit=True))
        yield fleet
    finally:
        if given is None:
            fleet.down(purge=True)


@pytest.fixture(scope="module")
def installed(local: LocalFleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """Nothing of Atoll is on the hub before, nor after."""
    world = Installed(local, tmp_path_factory.mktemp("installed"))
    world.atoll("uninstall", "--force")
    world.audit_from = world.audit.stat().st_size
    try:
        yield world
    finally:
        world.stop()
        world.atoll("uninstall", "--force")
