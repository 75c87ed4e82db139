"""Agents, as the hub sees them: who they are (`trust`), where they come in (`endpoint`), and the clusters that are
reached through them (`tunnels`).
"""
