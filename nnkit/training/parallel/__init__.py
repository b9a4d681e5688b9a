"""Many fits at once: in threads that share compiled programs, or as one vectorised program.

- ``batched_training``: the public context, and the joblib backend that runs scikit-learn's tasks
  in threads.
- ``scheduler``: which fits run, and which wait.
- ``batched_group``: fits that call their program together.
- ``stack``: those fits as members of one vectorised program.
"""
