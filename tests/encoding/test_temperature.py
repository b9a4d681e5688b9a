"""Temperature-scaled probabilities, and the fitted temperature."""

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

from nnkit.encoding.temperature import fit_temperature, temperature_scaled


def truths_and_logits(n_rows=20_000, n_classes=3, seed=0):
    """Return the logits of a model, and classes that are drawn from its probabilities."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=1.5, size=(n_rows, n_classes))
    shares = softmax(logits, axis=1).cumsum(axis=1)
    codes = (rng.random((n_rows, 1)) > shares[:, :-1]).sum(axis=1)
    return codes, logits


def log_posterior(logits, codes, temperature, n_further=0):
    """Return the negative log-posterior of a temperature, computed with softmax."""
    log_proba = log_softmax(logits / temperature, axis=1)
    of_truth = log_proba[np.arange(len(codes)), codes]
    prior = np.log(temperature) ** 2 / (2 * 0.3**2)
    return -of_truth.sum() - n_further * log_proba.mean() + prior


GRID = np.geomspace(1 / 8, 8, 4001)


def best_of_grid(logits, codes):
    """Return the temperature by a grid search."""
    best = GRID[np.argmin([log_posterior(logits, codes, t) for t in GRID])]
    if best >= 1:
        return best
    return min(1.0, GRID[np.argmin([log_posterior(logits, codes, t, n_further=1) for t in GRID])])


# temperature_scaled


@pytest.mark.parametrize(
    ("proba", "temperature", "expected"),
    [
        # odds of 9 become odds of 3
        ([0.9, 0.1], 2.0, [0.75, 0.25]),
        # squares: 1/4, 1/16, 1/16
        ([0.5, 0.25, 0.25], 0.5, [2 / 3, 1 / 6, 1 / 6]),
        # cube roots of 8 : 1 : 27
        ([8 / 36, 1 / 36, 27 / 36], 3.0, [2 / 6, 1 / 6, 3 / 6]),
        ([0.5, 0.5], 7.0, [0.5, 0.5]),
    ],
)
def test_scaled_probabilities_equal_the_values_by_hand(proba, temperature, expected):
    found = temperature_scaled(np.array([proba]), temperature)

    np.testing.assert_allclose(found, [expected], rtol=1e-12)


def test_scaled_label_probability_equals_the_value_by_hand():
    """Odds of 4 become odds of 2, and 1 : 16 becomes 1 : 4."""
    found = temperature_scaled(np.array([[0.8, 1 / 17]]), 2.0, is_one_of_many=False)

    np.testing.assert_allclose(found, [[2 / 3, 1 / 5]], rtol=1e-12)


def test_scaled_probabilities_equal_the_softmax_of_divided_logits():
    _, logits = truths_and_logits(50)

    found = temperature_scaled(softmax(logits, axis=1), 1.7)

    np.testing.assert_allclose(found, softmax(logits / 1.7, axis=1), rtol=1e-10)


def test_scaled_label_probabilities_equal_the_sigmoid_of_divided_logits():
    _, logits = truths_and_logits(50)

    found = temperature_scaled(expit(logits), 0.6, is_one_of_many=False)

    np.testing.assert_allclose(found, expit(logits / 0.6), rtol=1e-10)


@pytest.mark.parametrize("is_one_of_many", [True, False])
def test_temperature_of_one_is_the_identity(is_one_of_many):
    proba = np.array([[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])

    found = temperature_scaled(proba, 1.0, is_one_of_many=is_one_of_many)

    np.testing.assert_allclose(found, proba, rtol=1e-12, atol=1e-300)


def test_two_temperatures_equal_their_product():
    _, logits = truths_and_logits(50)
    proba = softmax(logits, axis=1)

    twice = temperature_scaled(temperature_scaled(proba, 2.0), 1.5)

    np.testing.assert_allclose(twice, temperature_scaled(proba, 3.0), rtol=1e-10)


@pytest.mark.parametrize("temperature", [1 / 8, 0.5, 2.0, 8.0])
def test_scaling_keeps_the_order_of_classes_and_the_sum(temperature):
    _, logits = truths_and_logits(200, n_classes=5)
    proba = softmax(logits, axis=1)

    found = temperature_scaled(proba, temperature)

    np.testing.assert_array_equal(found.argsort(axis=1), proba.argsort(axis=1))
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("temperature", "is_nearer_to_even"), [(0.5, False), (2.0, True)], ids=["cold", "hot"]
)
def test_higher_temperature_makes_probabilities_more_equal(temperature, is_nearer_to_even):
    _, logits = truths_and_logits(200)
    proba = softmax(logits, axis=1)

    found = temperature_scaled(proba, temperature)

    assert ((found.max(axis=1) < proba.max(axis=1)) == is_nearer_to_even).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("temperature", [1 / 8, 0.3, 1.0, 8.0])
def test_scaled_probabilities_of_zero_and_one_are_finite(temperature, dtype):
    proba = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]], dtype=dtype)

    found = temperature_scaled(proba, temperature)
    of_labels = temperature_scaled(proba, temperature, is_one_of_many=False)

    np.testing.assert_allclose(found, proba, atol=1e-30)
    np.testing.assert_allclose(of_labels, proba, atol=1e-30)
    assert found.dtype == of_labels.dtype == np.float64


def test_time_steps_are_scaled_separately():
    _, logits = truths_and_logits(60)
    proba = softmax(logits, axis=1)

    found = temperature_scaled(proba.reshape(20, 3, 3), 2.0)

    np.testing.assert_array_equal(found.reshape(60, 3), temperature_scaled(proba, 2.0))


def test_temperature_scaled_does_not_change_its_input():
    proba = np.array([[0.9, 0.1], [1.0, 0.0]])

    temperature_scaled(proba, 3.0)
    temperature_scaled(proba, 3.0, is_one_of_many=False)

    assert proba.tolist() == [[0.9, 0.1], [1.0, 0.0]]


# fit_temperature


@pytest.mark.parametrize("factor", [1 / 3, 1.0, 3.0])
def test_fit_temperature_finds_the_factor_of_overconfident_logits(factor):
    codes, logits = truths_and_logits()

    found = fit_temperature([[softmax(factor * logits, axis=1)]], [codes], [None])

    assert found == pytest.approx(factor, rel=0.05)


def test_fit_temperature_finds_the_factor_of_overconfident_labels():
    _, logits = truths_and_logits()
    indicator = np.random.default_rng(1).random(logits.shape) < expit(logits)

    found = fit_temperature(
        [[expit(3 * logits)]], [indicator.astype(np.float32)], [None], is_one_of_many=False
    )

    assert found == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize("n_rows", [10, 40, 1000])
@pytest.mark.parametrize("factor", [0.3, 0.8, 1.0, 2.0])
def test_temperature_equals_the_best_of_a_grid(n_rows, factor):
    codes, logits = truths_and_logits(n_rows, seed=3)

    found = fit_temperature([[softmax(factor * logits, axis=1)]], [codes], [None])

    assert found == pytest.approx(best_of_grid(factor * logits, codes), rel=2e-3)


def test_temperature_of_labels_equals_the_best_of_a_grid():
    _, logits = truths_and_logits(40)
    is_one = np.random.default_rng(1).random(logits.shape) < expit(logits)
    # The loss of a row is the mean over its labels; of 40 rows, their sum.
    signed = np.where(is_one, 2 * logits, -2 * logits)
    losses = [
        np.log1p(np.exp(-signed / t)).mean(axis=1).sum() + np.log(t) ** 2 / 0.18 for t in GRID
    ]

    found = fit_temperature(
        [[expit(2 * logits)]], [is_one.astype(np.float32)], [None], is_one_of_many=False
    )

    assert found == pytest.approx(GRID[np.argmin(losses)], rel=2e-3)


def test_loss_is_that_of_the_mean_of_scaled_members():
    codes, logits = truths_and_logits(2000)
    noise = np.random.default_rng(1).normal(size=logits.shape)
    members = [softmax(3 * logits + 2 * sign * noise, axis=1) for sign in (1, -1)]
    losses = []
    for temperature in GRID[2000:]:
        powers = [member ** (1 / temperature) for member in members]
        mean = np.mean([power / power.sum(axis=1, keepdims=True) for power in powers], axis=0)
        of_truth = np.log(mean[np.arange(2000), codes])
        losses.append(-of_truth.sum() + np.log(temperature) ** 2 / 0.18)

    found = fit_temperature([members], [codes], [None])

    assert found == pytest.approx(GRID[2000:][np.argmin(losses)], rel=5e-3)
    assert found != pytest.approx(fit_temperature([members[:1]], [codes], [None]), rel=0.02)


def test_log_temperature_is_halved_if_more_networks_are_averaged():
    codes, logits = truths_and_logits(500)
    judged = [[softmax(3 * logits, axis=1)]], [codes], [None]

    of_one, of_five = (fit_temperature(*judged, n_averaged=n) for n in (1, 5))

    assert of_one > 2
    assert of_five == pytest.approx(np.sqrt(of_one), rel=1e-12)


def test_parts_equal_their_concatenation():
    codes, logits = truths_and_logits(500)
    proba = softmax(2 * logits, axis=1)

    whole = fit_temperature([[proba]], [codes], [None])
    in_parts = fit_temperature(
        [[proba[:100]], [proba[100:]]], [codes[:100], codes[100:]], [None, None]
    )

    assert in_parts == pytest.approx(whole, rel=1e-4)


def test_time_steps_are_averaged():
    codes, logits = truths_and_logits(6000)
    proba = softmax(2 * logits, axis=1)

    of_rows = fit_temperature([[proba]], [codes], [None])
    of_steps = fit_temperature([[proba.reshape(2000, 3, 3)]], [codes.reshape(2000, 3)], [None])

    # Up to the prior, which has little effect with 6,000 and 2,000 rows.
    assert of_steps == pytest.approx(of_rows, rel=0.01)


def mixed_rows():
    """Return rows, of which the logits of the first half are too large by a factor of four."""
    codes, logits = truths_and_logits(4000)
    factor = np.repeat([4.0, 1.0], 2000)[:, np.newaxis]
    return codes, softmax(factor * logits, axis=1)


def test_integer_weights_equal_repeated_rows():
    """They are equal up to the prior, because unequal weights reduce the effective sample size."""
    codes, proba = mixed_rows()
    weight = np.repeat([1, 6], 2000)

    weighted = fit_temperature([[proba]], [codes], [weight.astype(float)])

    repeated = fit_temperature(
        [[np.repeat(proba, weight, axis=0)]], [np.repeat(codes, weight)], [None]
    )
    unweighted = fit_temperature([[proba]], [codes], [None])
    assert weighted == pytest.approx(repeated, rel=0.01)
    assert weighted < 0.9 * unweighted


def test_temperature_depends_on_ratios_of_weights_only():
    codes, proba = mixed_rows()
    weight = np.random.default_rng(0).uniform(0.1, 2.0, size=4000)

    found = [fit_temperature([[proba]], [codes], [factor * weight]) for factor in (1.0, 100.0)]

    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_weights_of_one_have_no_effect():
    codes, proba = mixed_rows()

    found = [fit_temperature([[proba]], [codes], [weight]) for weight in (None, np.ones(4000))]

    assert found[0] == pytest.approx(found[1], rel=1e-9)


def test_weights_belong_to_the_rows_of_their_part():
    codes, proba = mixed_rows()
    weight = np.random.default_rng(0).uniform(0.1, 2.0, size=4000)

    whole = fit_temperature([[proba]], [codes], [weight])
    in_parts = fit_temperature(
        [[proba[:2500]], [proba[2500:]]],
        [codes[:2500], codes[2500:]],
        [weight[:2500], weight[2500:]],
    )

    assert in_parts == pytest.approx(whole, rel=1e-4)


def test_unequal_weights_reduce_the_effective_sample_size():
    """Weights (4, 1, 1, ...) have the effective sample size (Σw)² / Σw²."""
    codes, logits = truths_and_logits(60, seed=3)
    weight = np.where(np.arange(60) < 30, 4.0, 1.0)
    n_rows = weight.sum() ** 2 / np.square(weight).sum()
    losses = []
    for temperature in GRID:
        log_proba = log_softmax(3 * logits / temperature, axis=1)[np.arange(60), codes]
        mean = -np.average(log_proba, weights=weight)
        losses.append(n_rows * mean + np.log(temperature) ** 2 / 0.18)

    found = fit_temperature([[softmax(3 * logits, axis=1)]], [codes], [weight])

    assert found == pytest.approx(GRID[np.argmin(losses)], rel=2e-3)


@pytest.mark.parametrize("factor", [1e-300, 1e300])
def test_scale_of_weights_has_no_effect(factor):
    codes, proba = mixed_rows()
    weight = np.random.default_rng(0).uniform(0.1, 1.0, size=4000)

    found = [fit_temperature([[proba]], [codes], [scale * weight]) for scale in (1.0, factor)]

    assert found[0] == pytest.approx(found[1], rel=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_fitted_temperature_does_not_increase_the_loss_of_its_rows(seed):
    """This holds for random probabilities, including zeros and ones."""
    rng = np.random.default_rng(seed)
    n_rows, n_classes = int(rng.integers(1, 12)), int(rng.integers(2, 5))
    logits = rng.normal(scale=rng.choice([0.1, 3.0, 60.0]), size=(n_rows, n_classes))
    codes = rng.integers(n_classes, size=n_rows)

    found = fit_temperature([[softmax(logits, axis=1)]], [codes], [None])

    assert 1 / 8 <= found <= 8
    clipped = np.maximum(logits - logits.max(axis=1, keepdims=True), -700.0)
    at_one, at_found = (log_posterior(clipped, codes, t) for t in (1.0, found))
    assert at_found <= at_one * (1 + 1e-9)


def test_temperature_of_uniform_probabilities_is_one():
    found = fit_temperature([[np.full((10, 4), 0.25)]], [np.arange(10) % 4], [None])

    assert found == 1.0


@pytest.mark.parametrize("is_right", [True, False])
def test_temperature_of_probabilities_zero_and_one_is_finite(is_right):
    codes = np.array([0, 1, 0, 1])
    proba = np.eye(2)[codes if is_right else 1 - codes]

    found = fit_temperature([[proba]], [codes], [None])

    assert 1 <= found <= 8
    assert np.isfinite(temperature_scaled(proba, found)).all()


@pytest.mark.parametrize("certainty", [0.9, 0.999, 1 - 1e-9])
def test_few_correct_rows_change_probabilities_little(certainty):
    """Without the further row, the temperature would be 1/8, its lower bound."""
    codes = np.arange(30) % 2
    proba = np.where(np.eye(2)[codes] > 0, certainty, 1 - certainty)

    found = fit_temperature([[proba]], [codes], [None])

    assert 0.7 < found <= 1


def test_one_wrong_row_of_few_changes_probabilities_little():
    """The temperature of the log-loss alone is 8, its upper bound."""
    codes = np.zeros(10, dtype=int)
    proba = np.tile([0.9, 0.1], (10, 1))
    proba[0] = [1e-4, 1 - 1e-4]

    found = fit_temperature([[proba]], [codes], [None])

    assert 1 < found < 2
