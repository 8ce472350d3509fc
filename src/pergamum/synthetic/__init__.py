"""Synthetic libraries of any size, for trials and load tests: vectors in clusters, skewed metadata, texts with topics.

Everything follows from a `Recipe`, so equal recipes make equal documents, and fewer of them are the first of more: on
one machine to the last bit, on another with the same NumPy up to the last bit of a float. Documents are made in blocks
of about a thousand chunks, each from random numbers of its own, so memory is that of one block and of the centres.

The distributions, with the fields of the recipe in backticks:

clusters   A document belongs to cluster i (from 0) with probability proportional to 1 / (i + 1) ** `skew` (Zipf).
vectors    The centre of a cluster is a random direction of length 1. A chunk lies at centre + `spread` * noise, where
           half of the variance of the noise is shared by the chunks of its document. The noise is normal, its expected
           squared length 1; its variance falls as 1 / (j + 1) along the j-th axis, in an order of axes that each
           cluster has for itself, so that of 256 dimensions some 23 count, as with embeddings of real texts.
           `normalised` divides by the length.
chunks     A document has 1 + Poisson(`chunks_per_document` - 1) of them.
texts      20 to 60 made-up words, each length as likely; each word with probability 1/2 one of the 50 of its cluster,
           else one of 2,000 that all share; both by Zipf's law with exponent 1. So what is near in meaning has words
           in common.
metadata   Of documents: `metadata.py`. Independent of the clusters, except for `topic`, which is the cluster's number.
           A field that may be missing is left out with probability `missing`.
queries    Vectors, words and topics as those of chunks, made of other random numbers than any document.
"""

from pergamum.synthetic.documents import documents
from pergamum.synthetic.metadata import SCHEMA
from pergamum.synthetic.queries import SyntheticQuery, queries
from pergamum.synthetic.recipe import Recipe

__all__ = ["SCHEMA", "Recipe", "SyntheticQuery", "documents", "queries"]
