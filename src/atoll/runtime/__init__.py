"""What controllers run on, in one cluster or in many; it knows no product words.

A *queue* holds keys, not events. A *controller* takes a key, brings its thing to the desired state and answers with a
*decision*. An *informer* keeps a copy of one kind of one cluster, a *watch set* of many kinds under one selector. A
*lease* says who leads. Everything long-running lives in a task scope: to leave is to be cancelled.
"""
