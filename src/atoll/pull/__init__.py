"""Pull: what a hub and the agent of a member say to each other when the hub holds no credential for the member.

`protocol` is the whole vocabulary, in one file; `framing` makes bytes of messages, without sockets; `channel` sends and
receives them over one stream of a link. Neither end's decisions are here: see `atoll.hub.pulled` and `atoll.agent`.
"""
