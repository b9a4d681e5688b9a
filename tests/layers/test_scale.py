import numpy as np

from nnkit.layers import Scale


def test_each_column_is_multiplied_by_its_factor():
    layer = Scale()
    X = np.array([[1.0, 2.0], [3.0, 4.0]])
    at_first = layer(X).numpy()

    layer.set_weights([np.array([10.0, 0.5])])

    np.testing.assert_array_equal(at_first, X)
    np.testing.assert_array_equal(layer(X), [[10.0, 1.0], [30.0, 2.0]])
    assert layer.scale.name == "scale"
