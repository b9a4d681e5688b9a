"""Many fits at once: in threads that share compiled programs, or as one vectorised program.

- ``context``: ``batched_training``, and the joblib backend that brings scikit-learn's tasks.
- ``crowd``: which tasks run and which wait, and when to wait no longer.
- ``lockstep``: trainings that call their program together.
- ``stack``: those trainings as members of one vectorised program.
"""
