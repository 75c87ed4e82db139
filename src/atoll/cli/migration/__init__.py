"""Migration: from another system's objects on the hub to Atoll's own, and back, while what they made keeps running."""
