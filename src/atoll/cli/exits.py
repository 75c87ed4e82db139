"""How a command ends: its exit code, and the one line that says why, with a hint where there is one.

0 done · 1 failed (for `diff`: there are differences) · 2 wrong usage · 3 done on some clusters only ·
130 interrupted. `diff` ends with 4 when it failed, since 1 says something else there.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What scripts look at."""

    OK = 0
    ERROR = 1
    USAGE = 2
    PARTIAL = 3
    DIFF_FAILED = 4
    INTERRUPTED = 130


class CommandError(Exception):
    """A command can't do what it was asked to. `hint` says what the user may do about it."""

    def __init__(self, message: str, hint: str = "", code: ExitCode = ExitCode.ERROR) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


class UsageError(CommandError):
    """The command line itself is wrong."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint, ExitCode.USAGE)


def explain(error: Exception) -> CommandError:
    """The error in a user's words. Anything of Kubernetes' API, of joining and of files is known; the rest is raised
    again.
    """
    import msgspec

    from atoll.fleet.identity import NoHubError
    from atoll.fleet.join import JoinError
    from atoll.install.kinds import InstallError
    from atoll.kube import errors

    message = str(error)
    match error:
        case CommandError():
            return error
        case JoinError() | InstallError():
            return CommandError(message, error.hint)
        case NoHubError():
            return CommandError(message, "choose the hub's context with --context, or make a fleet: atoll up")
        case errors.Unauthorized():
            return CommandError(f"the server refuses the credentials: {message}", "have they ended? log in again")
        case errors.Forbidden():
            return CommandError(f"forbidden: {message}", "ask an administrator for that right")
        case errors.FieldConflict():
            return CommandError(
                f"fields belong to {', '.join(error.managers)}: {', '.join(error.fields)}",
                "--force-conflicts takes them over",
            )
        case errors.Unreachable() if error.reason.startswith("Certificate") or error.reason == "NameMismatch":
            return CommandError(message, "is certificate-authority-data that of this cluster?")
        case errors.ConfigError() | errors.CredentialError() | errors.Unreachable():
            return CommandError(message)
        case errors.Invalid() if error.causes:
            return CommandError("; ".join(f"{c.field}: {c.message}" for c in error.causes))
        case errors.NotFound() if "page not found" in message or "could not find the requested resource" in message:
            return CommandError(
                "this cluster does not know Atoll's kinds",
                "choose the hub with --context, or make it one: atoll install",
            )
        case errors.KubeError():
            return CommandError(message)
        case msgspec.ValidationError():
            return CommandError(
                f"an object of the server can't be read: {message}",
                "is this Atoll older than what wrote it? -v says where",
            )
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            return CommandError(f"{where}{error.strerror or message or type(error).__name__}")
    raise error
