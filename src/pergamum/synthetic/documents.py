"""Documents of a recipe, one after another."""

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pergamum.synthetic.clusters import Clusters, Topics
from pergamum.synthetic.metadata import metadata
from pergamum.synthetic.recipe import Recipe, Stream
from pergamum.synthetic.words import Vocabulary

if TYPE_CHECKING:
    from pergamum.client.drafts import ChunkOfDocument, NewDocument


def documents(recipe: Recipe, chunks: int) -> "Iterator[NewDocument]":
    """Return documents with so many chunks together; the last may have fewer than its recipe gives it.

    Ids say seed and number: `7-00000042`, its chunks `7-00000042-0`, ... Embeddings are float32 arrays of the recipe's
    dimension; without vectors there are none, and the library's model makes them.
    """
    left = chunks
    for document in _endless(recipe):
        own = document["chunks"] or ()
        if len(own) >= left:
            if left > 0:
                yield {**document, "chunks": own[:left]}
            return
        left -= len(own)
        yield document


def _endless(recipe: Recipe) -> "Iterator[NewDocument]":
    maker = _Maker(recipe)
    for block in count():
        yield from maker.block(block)


class _Maker:
    """What all blocks share."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._clusters, self._vocabulary = Clusters(recipe), Vocabulary(recipe.clusters)

    def block(self, block: int) -> "Iterator[NewDocument]":
        """Return the documents of one block."""
        recipe, size = self._recipe, self._recipe.documents_per_block
        shapes, words = recipe.chance(Stream.SHAPES, block), recipe.chance(Stream.WORDS, block)
        topics = self._clusters.topics(shapes, size)
        lengths = 1 + shapes.poisson(recipe.chunks_per_document - 1.0, size)
        titles = self._vocabulary.titles(words, topics)
        facts = metadata(recipe.chance(Stream.METADATA, block), topics, recipe.missing)
        chunks = self._chunks(block, topics, lengths, words)
        for row in range(size):
            id = f"{recipe.seed}-{block * size + row:08}"
            own = [_numbered(id, index, next(chunks)) for index in range(lengths[row])]
            yield {"id": id, "title": titles[row], "metadata": facts[row], "chunks": own}

    def _chunks(
        self, block: int, topics: Topics, lengths: npt.NDArray[np.int64], words: np.random.Generator
    ) -> "Iterator[ChunkOfDocument]":
        texts = self._vocabulary.texts(words, np.repeat(topics, lengths))
        if not self._recipe.vectors:
            return iter([{"text": text} for text in texts])
        vectors = self._clusters.vectors(self._recipe.chance(Stream.VECTORS, block), topics, lengths)
        return iter([{"text": text, "embedding": vector} for text, vector in zip(texts, vectors, strict=True)])


def _numbered(document: str, index: int, chunk: "ChunkOfDocument") -> "ChunkOfDocument":
    numbers: Any = {"id": f"{document}-{index}", "page_number": index + 1}
    return {**numbers, **chunk}
