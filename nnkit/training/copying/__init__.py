"""Copies of Keras objects, so that a fit does not change the caller's objects.

- ``copies``: deep copies of Keras objects by their attributes.
- ``ownership``: builders that refer to copies of the caller's Keras objects.
- ``callback_copies``: copies of callbacks, with separate file paths for each network.
- ``keras_config``: Keras objects as JSON configurations, loaded without code.
- ``keras_pickling``: pickling of Keras objects of any class.
"""
