"""`atoll cluster register` and `atoll token`: how clusters come in that the hub can't reach."""

from typing import Annotated

import typer

from atoll.api.times import format_time
from atoll.cli.cluster import ClusterName
from atoll.cli.exits import CommandError, UsageError
from atoll.cli.options import key_values
from atoll.cli.printing import note, table
from atoll.cli.session import Session, parse_duration
from atoll.cli.verbs import NoHeaders, verb

token = typer.Typer(
    name="token",
    help="Join tokens of agents: each lets in one agent of one cluster, once.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer, cluster: typer.Typer) -> None:
    verb(cluster, "register")(register_cluster)
    app.add_typer(token)


async def register_cluster(
    session: Session,
    name: ClusterName,
    mode: Annotated[str, typer.Option(metavar="tunnel|pull", help="How the hub works on it.")] = "tunnel",
    hub_address: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="How the agent reaches the hub; else what the hub says.")
    ] = "",
    ttl: Annotated[str, typer.Option(metavar="DURATION", help="How long the token may be used; at most 1h.")] = "1h",
    provider: Annotated[str | None, typer.Option(metavar="NAME", help="Such as aws, gcp, onprem.")] = None,
    region: Annotated[str | None, typer.Option(metavar="NAME", help="Found from the nodes when not given.")] = None,
    zone: Annotated[str | None, typer.Option(metavar="NAME", help="Found from the nodes when not given.")] = None,
    labels: Annotated[list[str] | None, typer.Option(metavar="K=V,…", help="Labels to place by.")] = None,
) -> None:
    """Bring in a cluster that the hub can't reach.

    Prints one command; run where the member's API server can be reached, it starts the member's agent, which dials the
    hub. Beside it stands the command that makes a Deployment of it. The token works once and within the hour.
    Registering a name again makes another token; once that is used, the former agent's access ends.
    """
    from atoll.fleet.join import Description
    from atoll.fleet.register import MODES, register
    from atoll.fleet.tokens import LIFE_MOST

    if mode not in MODES:
        raise UsageError(f"--mode: {mode!r}", f"one of: {', '.join(MODES)}")
    life = parse_duration(ttl)
    if not 0 < life <= LIFE_MOST:
        raise UsageError(f"--ttl: {ttl!r}", "more than 0 and at most 1h")
    async with session.hub() as hub:
        made = await register(
            hub,
            name,
            mode,
            described=Description(provider, region, zone),
            labels=key_values(labels, "--labels"),
            address=hub_address,
            life=life,
        )
    note(f"cluster/{name} {'is there already; another token' if made.again else 'registered'}")
    note(f"run this in the member, until {format_time(made.expires)}, once:")
    told = f"--hub {made.address} --cluster {name} --token {made.token} --hub-ca {made.pin}"
    print(f"atoll agent run {told}")
    note("or, to have it run there as a Pod (--image names Atoll's image):")
    note(f"atoll agent manifest {told} --hub-id {made.hub} --mode {mode} | kubectl apply -f -")


@verb(token, "list")
async def list_tokens(session: Session, no_headers: NoHeaders = False) -> None:
    """List the join tokens: for which cluster, until when, and whether they were used. The tokens are kept nowhere."""
    from atoll.fleet.tokens import records

    async with session.hub() as hub:
        found = await records(hub)
    if not found:
        note("no tokens; make one with: atoll cluster register NAME")
        return
    rows = [(r.id, r.cluster, r.state, format_time(r.expires), format_time(r.used)) for r in found]
    print(table(["ID", "CLUSTER", "STATE", "EXPIRES", "USED"], rows, headers=not no_headers))


@verb(token, "revoke")
async def revoke_token(
    session: Session, name: Annotated[str, typer.Argument(metavar="ID", help="As `token list` says.")]
) -> None:
    """Take a join token back. An agent that has used it stays in; `cluster leave` ends it."""
    from atoll.fleet.tokens import revoke
    from atoll.kube.errors import NotFound

    async with session.hub() as hub:
        try:
            await revoke(hub, name.partition(".")[0])
        except NotFound as error:
            raise CommandError(f"there is no token {name}", "atoll token list") from error
    print(f"token/{name} revoked")
