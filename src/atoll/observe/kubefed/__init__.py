"""How KubeFed's users are told what became of their objects: its words, its condition, its events."""
