"""What KubeFed's commands do: clusters joined and let go, types enabled and disabled, objects federated.

They are KubeFed's own (version 0.10), step by step and word by word, but where it destroys what it doesn't own.
"""
