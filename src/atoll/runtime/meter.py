"""Where the runtime reports to: telemetry lies above it, so it is given a meter and doesn't look for one."""


class Meter:
    """Hears what happens. This one forgets; `atoll.telemetry.Metrics` is one that counts.

    `scope` names the cluster, "" for the only one. Times are seconds.
    """

    def queue_depth(self, queue: str, depth: int) -> None:
        """So many keys wait in `queue`."""

    def reconciled(self, controller: str, outcome: str, seconds: float) -> None:
        """One reconcile ended: `outcome` is the decision's name in lower case."""

    def watch_restarted(self, scope: str, kind: str, reason: str) -> None:
        """A list or watch broke, and will be started again."""

    def informer_objects(self, scope: str, kind: str, more: int) -> None:
        """The copies of `kind` hold so many objects more, or fewer."""


SILENT = Meter()
