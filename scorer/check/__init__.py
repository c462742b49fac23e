"""Does a deployment work? `scorer check` goes through it part by part, in the order in which a request meets them.

First at what costs nothing: who lets us in, quota, images, the pool, the workflows. Then a job of tasks that only look runs on
the pool, and a request of a few frames goes the whole way. Each module yields findings; what it makes it takes away again.
"""
