"""Ready-made networks for sequences.

- ``specs``: their encoders, training settings and search spaces.
- ``fcn``: the fully convolutional network.
- ``resnet1d``: the residual network.
- ``inception_time``: the Inception network.
- ``lstm``, ``gru``: recurrent networks, whose layers are in ``recurrence``.
- ``lstm_fcn``: the fully convolutional network beside an LSTM.
- ``transformer_encoder``: the transformer encoder.
- ``padding``: inputs, and layers that leave padding out.
"""
