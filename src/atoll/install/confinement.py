"""What roles can't say: which Secrets the hub may make, and which it may delete outside of `atoll-system`.

Former revisions of Applications are Secrets in their namespaces. Whoever may create any Secret may have the API server
put a token of any service account into one; so an admission policy narrows the right to the one type, and in
`atoll-system` to the hub's own.
"""

from atoll.api.names import REVISION_TYPE, SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.fleet.tokens import bearer_name
from atoll.hub.agents.authority import AUTHORITY_SECRET
from atoll.hub.shared_webhook import SECRET as WEBHOOK_SECRET
from atoll.install.layout import HUB, Layout, meta

NAME = "atoll-revisions"
_OWN = (
    f"(request.name in ['{WEBHOOK_SECRET}', '{AUTHORITY_SECRET}'] && object.type == 'kubernetes.io/tls') || "
    f"(request.name.startsWith('{bearer_name('')}') && object.type == 'Opaque')"
)
"""The Secrets that the hub makes for itself: its certificates, and which key speaks for a cluster. In a KubeFed control
plane's place it copies members' tokens, too."""


def confinement(layout: Layout) -> tuple[Json, Json]:
    """The policy and its binding."""
    account = f"system:serviceaccount:{layout.namespace}:{HUB}"
    own = f"{_OWN} || object.type == 'Opaque'" if layout.kubefed else _OWN
    spec: Json = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE", "UPDATE", "DELETE"],
                    "resources": ["secrets"],
                }
            ]
        },
        "matchConditions": [
            {
                "name": "the-hub",
                "expression": f"request.userInfo.username == '{account}'",
            }
        ],
        "validations": [
            {
                "expression": f"(request.operation == 'DELETE' ? oldObject : object).type == '{REVISION_TYPE}' || "
                f"(request.namespace == '{SYSTEM_NAMESPACE}' && (request.operation != 'CREATE' || {own}))",
                "message": f"the hub makes and deletes Secrets of type {REVISION_TYPE} only",
                "reason": "Forbidden",
            }
        ],
    }
    policy = {"apiVersion": _VERSION, "kind": "ValidatingAdmissionPolicy", "metadata": meta(NAME), "spec": spec}
    binding = {
        "apiVersion": _VERSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": meta(NAME),
        "spec": {"policyName": NAME, "validationActions": ["Deny"]},
    }
    return policy, binding


_VERSION = "admissionregistration.k8s.io/v1"
