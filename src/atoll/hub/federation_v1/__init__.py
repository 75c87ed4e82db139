"""Federation v1's front end: annotated objects of chosen namespaces of the hub, distributed as Federation v1 did."""
