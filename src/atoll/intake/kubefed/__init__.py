"""KubeFed's dialect: its federated objects, as `Intent`s, and what its status records say."""
