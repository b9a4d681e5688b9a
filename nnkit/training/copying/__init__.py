"""Copies of Keras objects, so that a fit changes nothing that the caller owns.

- ``copies``: deep copies of Keras objects, attribute by attribute.
- ``ownership``: builders that refer to copies of the caller's Keras objects.
- ``callback_copies``: the callbacks of each network, with paths of their own.
- ``keras_pickling``: pickles of Keras objects of any class.
"""
