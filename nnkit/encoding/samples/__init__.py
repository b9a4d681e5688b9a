"""Encoders of data with one object for each row: an image, a sequence or a text.

- ``image_encoder``: `ImageEncoder`, which encodes arrays, images of Pillow and files.
- ``image_reading``: images of any container as arrays of pixels.
- ``text_encoder``: `TextEncoder`, which encodes texts as codes of their words and n-grams.
- ``vocabulary``: vocabularies of words and n-grams.
- ``words``: texts to words.
"""
