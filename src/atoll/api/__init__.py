"""What users write, and the values that cross rooms.

One file a kind: frozen msgspec structs, from which the CRDs (`schema`, `crds`), the reference and the validation come
(`validate`, `checks`). `objects`, `intent`, `delivery` and `observation` are what intake, plan, deliver and observe
hand to each other; they import nothing of Atoll above this package.
"""
