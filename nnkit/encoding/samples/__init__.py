"""Encoders of data with one object for each row: an image, a sequence or a text."""
