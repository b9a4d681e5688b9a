"""Training of many networks at once, in threads or as one vectorised program.

- ``batched_training``: the public context manager, and its joblib backend.
- ``scheduler``: the number of tasks that run at once, and the queue of the others.
- ``batched_group``: trainings that call one program together.
- ``stack``: the vectorised program of a batched group.
"""
