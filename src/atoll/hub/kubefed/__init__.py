"""KubeFed's control plane on Atoll's engine: its kinds are read, and told in its own words."""
