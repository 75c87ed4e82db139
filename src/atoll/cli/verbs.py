"""How a command is written: an async function of a Session and its own options; the rest is added here.

Each command takes the options that all have, before and after its name: `atoll -n demo app list` and
`atoll app list -n demo` are the same. A command that has an option of such a name itself keeps its own.
"""

import inspect
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import typer

from atoll.cli.exits import ExitCode
from atoll.cli.session import Options, Session, perform

Kubeconfig = Annotated[str | None, typer.Option("--kubeconfig", metavar="FILE", help="The hub's kubeconfig.")]
Context = Annotated[str | None, typer.Option("--context", metavar="NAME", help="The hub's context in it.")]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", metavar="NAME", help="Namespace on the hub.")]
RequestTimeout = Annotated[
    str | None, typer.Option("--request-timeout", metavar="TIME", help="For one request, such as 30s; 0 is no limit.")
]
Verbose = Annotated[
    int, typer.Option("--verbose", "-v", count=True, show_default=False, help="Errors with their causes.")
]

COMMON: dict[str, tuple[Any, Any]] = {
    "kubeconfig": (Kubeconfig, None),
    "context": (Context, None),
    "namespace": (Namespace, None),
    "request_timeout": (RequestTimeout, None),
    "verbose": (Verbose, 0),
}

Output = Annotated[
    str,
    typer.Option("--output", "-o", metavar="FORM", help="wide, json, yaml, name or jsonpath=TEMPLATE."),
]
NoHeaders = Annotated[bool, typer.Option("--no-headers", help="Without the line of titles.")]
AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.")]
Timeout = Annotated[str, typer.Option("--timeout", metavar="TIME", help="How long to wait, such as 5m.")]
ClusterFilter = Annotated[
    list[str] | None, typer.Option("--cluster", "-c", metavar="NAME", help="Only this cluster; several may be given.")
]

Verb = Callable[..., Coroutine[Any, Any, ExitCode | None]]


def verb(
    group: typer.Typer,
    name: str,
    *,
    failed: ExitCode = ExitCode.ERROR,
    hidden: bool = False,
    serves: bool = False,
) -> Callable[[Verb], Verb]:
    """Register `async def f(session, …)` as command `name` of `group`; its docstring is the help. `serves`: it is a
    program that stays.
    """

    def register(function: Verb) -> Verb:
        group.command(name, help=help_text(function.__doc__ or ""), hidden=hidden)(
            _command(function, failed, serves=serves)
        )
        return function

    return register


def help_text(docstring: str) -> str:
    """A docstring as help: indented paragraphs, which are examples, keep their lines."""
    paragraphs = inspect.cleandoc(docstring).split("\n\n")
    return "\n\n".join(f"\b\n{p}" if p.startswith(" ") else p for p in paragraphs)


def _command(function: Verb, failed: ExitCode, *, serves: bool) -> Callable[..., None]:
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    names = {parameter.name for parameter in own}
    added = {name: pair for name, pair in COMMON.items() if name not in names}

    def command(ctx: typer.Context, **given: Any) -> None:
        outer = ctx.find_root().obj or Options()
        options = Options(**{name: given.pop(name) for name in added}).over(outer)
        raise typer.Exit(
            perform(function(Session(options), **given), failed=failed, verbose=options.verbose, serves=serves)
        )

    parameters = [
        inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
        *(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own),
        *(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
            for name, (annotation, default) in added.items()
        ),
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__name__ = function.__name__
    return command
