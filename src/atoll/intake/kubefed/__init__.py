"""KubeFed's dialect: what its objects mean in Atoll's own words."""
