"""Inquire: what an application has on one member, asked of the member's own API server.

Questions and answers are those of `atoll.pull.protocol`. The command line asks so where it may reach a member itself;
an agent answers so where only it can. `answering.answers` is the whole of it.
"""
