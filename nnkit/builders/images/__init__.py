"""Ready-made networks for images.

- ``specs``: their encoders, training settings and search spaces.
- ``cnn2d``: a small convolutional network.
- ``resnet2d``: a residual network.
- ``unet``: a label or a value for each pixel.
- ``conv_autoencoder``: a network with a bottleneck, which reconstructs images.
- ``augmentation``: the argument ``augment``: random changes of images in training.
- ``convolutions``: parts of these networks.
"""
