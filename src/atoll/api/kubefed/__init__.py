"""KubeFed's own API, as version 0.10 has it: what people who come from it have written, and what they read back.

The structs are liberal where KubeFed's CRDs are: a word that nobody knows is read and kept, and refused where KubeFed
refuses it, at admission (`validation`) or when it is carried out.
"""
