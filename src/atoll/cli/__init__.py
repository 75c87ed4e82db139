"""The command line: `atoll`, and as kubectl's plug-in `kubectl atoll`.

One file a noun; a noun with many verbs is a folder with a file for each. Commands hold no logic of the product: they
call the rooms below and print. What takes long to import is imported inside commands, so that `atoll --help` is quick.
"""
