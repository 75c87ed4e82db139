"""`atoll kubefed`, which is also `kubefedctl`: KubeFed's commands, for whoever has scripts that call them."""
