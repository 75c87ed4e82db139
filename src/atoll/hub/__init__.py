"""The hub: thin loops that join the rooms.

One file a controller. They read what users wrote, plan on a snapshot, hand deliveries to each cluster's own queue, and
write status back once. What they remember of an application is its `Dossier`; all of it can be lost and found again.
"""
