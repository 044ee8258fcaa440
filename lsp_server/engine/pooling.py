"""Pooling: from what a model gives for each token to one unit vector for each text.

Takes float arrays and masks, gives float32 [texts, dims]. Pure arithmetic: mean (Sentence-BERT, Reimers and Gurevych
2019), the first token's vector (BERT's CLS), the last token's (decoders), and a cut to the first dimensions
(Matryoshka representation learning, Kusupati et al. 2022).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
    Mask = NDArray[np.int64]

LAYER_NORM_EPSILON = 1e-5  # of torch's layer_norm, with which these models are described


def pool(vectors: Vectors, mask: Mask, pooling: str) -> Vectors:
    """Pool float32 [texts, tokens, dims] by int64 [texts, tokens], 1 for tokens and 0 for padding, on either side."""
    if pooling == "mean":
        present = mask[:, :, np.newaxis].astype(np.float32)
        return np.asarray((vectors * present).sum(axis=1) / present.sum(axis=1), dtype=np.float32)
    first = mask.argmax(axis=1)
    chosen = first if pooling == "cls" else first + mask.sum(axis=1) - 1
    return np.asarray(vectors[np.arange(len(vectors)), chosen])


def cut(vectors: Vectors, dims: int, rule: str) -> Vectors:
    """Keep the first `dims` numbers of [texts, full dims]; by the rule "layer-norm" each vector is centred before."""
    if dims == vectors.shape[-1]:
        return vectors
    if rule == "layer-norm":
        centred = vectors - vectors.mean(axis=-1, keepdims=True)
        vectors = centred / np.sqrt(vectors.var(axis=-1, keepdims=True) + LAYER_NORM_EPSILON)
    return vectors[..., :dims]


def unit(vectors: Vectors) -> Vectors:
    """Scale each vector of [texts, dims] to length 1; one of zeros stays as it is."""
    # One by one, by a dot product: numpy sums along an axis in another order, and a text's bits would depend on that.
    lengths = np.array([np.linalg.norm(vector) or 1 for vector in vectors], dtype=np.float32)
    return np.asarray(vectors / lengths[:, np.newaxis], dtype=np.float32)
