"""Observing: from live objects back to meaning.

`health` judges one object by its kind's rule, `reduce` makes one verdict of many, `problems` finds what is behind it in
Pods and Events, `status` and `conditions` put it into the words that users read. All of that is pure. `collector` alone
watches: it keeps one verdict an application and cluster and reports it when it changes.
"""
