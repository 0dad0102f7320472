"""Clusters over seen cells, and orders in which pairs are alike."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from halfseen.core.clusters import nearest, pair_order, seen_clusters
from halfseen.core.noise import new_generator


def blobs(n=300, groups=2, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.integers(3, size=(groups, n))
    center = np.array([[0, 0, 0, 0], [6, 6, 6, 6], [-6, 6, -6, 6.0]])
    x = center[label] + rng.normal(size=(groups, n, 4))
    seen = rng.random(x.shape) < 0.6
    return torch.from_numpy(x), torch.from_numpy(seen).double(), label


def same_partition(one, other):
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len(set(one.tolist())) == len(set(other.tolist()))


def test_blobs_with_holes_are_found():
    x, s, label = blobs()
    centers = seen_clusters(x, s, 3, new_generator(0))
    found = nearest(x, s, centers)
    for group in range(2):
        # Rows of which one cell is seen may lie between.
        clear = s[group].sum(-1).numpy() >= 2
        agree = [
            (np.array(order)[found[group].numpy()] == label[group])[clear].mean()
            for order in itertools.permutations(range(3))
        ]
        assert max(agree) > 0.97


def test_hidden_cells_do_not_matter():
    x, s, _ = blobs()
    other = torch.where(s > 0, x, torch.full_like(x, 1e6))
    one, two = (seen_clusters(v, s, 3, new_generator(0)) for v in (x, other))
    torch.testing.assert_close(one, two)
    assert torch.equal(nearest(x, s, one), nearest(other, s, one))


def test_complete_rows_are_clustered_as_by_scikit_learn():
    x, s, _ = blobs(groups=1)
    found = nearest(
        x, torch.ones_like(s), seen_clusters(x, torch.ones_like(s), 3, new_generator(0))
    )
    expected = KMeans(3, n_init=3, random_state=0).fit(x[0].numpy()).labels_
    assert same_partition(found[0].numpy(), expected)


def test_fewer_rows_than_clusters():
    x = torch.tensor([[[0.0], [0.0], [3.0]]])
    centers = seen_clusters(x, torch.ones_like(x), 5, new_generator(0))
    assert torch.isfinite(centers).all()
    labels = nearest(x, torch.ones_like(x), centers)[0]
    assert labels[0] == labels[1] != labels[2]
    nothing = torch.zeros_like(x)
    assert torch.isfinite(seen_clusters(x, nothing, 2, new_generator(0))).all()


def nested(p, rng):
    """Similarities of a hierarchy: the more bits two places share, the more alike."""
    hidden = rng.permutation(p)
    place = np.empty(p, int)
    place[hidden] = np.arange(p)
    gap = (place[:, None] ^ place[None]).astype(float)
    return -np.floor(np.log2(np.maximum(gap, 0.5))), place


@pytest.mark.parametrize("p", [2, 4, 8, 16])
def test_a_hierarchy_is_found(p):
    similarity, place = nested(p, np.random.default_rng(p))
    order = place[pair_order(similarity)]
    size = 2
    while size <= p:
        runs = np.sort(order.reshape(-1, size), 1)
        assert (runs % size == np.arange(size)).all()
        size *= 2


@pytest.mark.parametrize("p", [0, 1, 3, 5, 6, 7, 11, 13, 21])
def test_every_thing_is_there_once_and_pairs_are_the_most_alike(p):
    rng = np.random.default_rng(p)
    similarity = rng.random((p, p))
    similarity += similarity.T
    order = pair_order(similarity)
    assert sorted(order) == list(range(p))
    if p >= 2:
        i, j = np.unravel_index(np.argmax(similarity - 9 * np.eye(p)), (p, p))
        pairs = [set(order[k : k + 2]) for k in range(0, p - 1, 2)]
        assert {int(i), int(j)} in pairs


def test_leftovers_stay_at_the_end():
    """Of 2 + 2 + 1 things the single one is last, although it is most like the first pair."""
    similarity = np.full((5, 5), 0.1)
    for i, j, alike in ((0, 3, 0.9), (1, 4, 0.8), (2, 0, 0.7), (2, 3, 0.7)):
        similarity[i, j] = similarity[j, i] = alike
    order = pair_order(similarity)
    assert [set(order[:2]), set(order[2:4]), order[4]] == [{0, 3}, {1, 4}, 2]
    # Of 2 + 2 + 2 pairs the two that are alike come first.
    wide = np.kron(np.eye(3), np.full((2, 2), 0.9)) + np.full((6, 6), 0.05)
    wide[0:2, 4:6] = wide[4:6, 0:2] = 0.5
    assert set(pair_order(wide)[:4]) == {0, 1, 4, 5}
