"""The built-in embedder: WordLlama, 256 numbers a text, no download, no network, no torch.

Source   WordLlama (D. Lee Miller, MIT licence), the `l2_supercat_256` model inside the wheel of the package
         `wordllama`: Llama 2's byte-pair tokenizer and one float16 vector for each of its 32,000 tokens.
Model    The vector of a text is the mean of its tokens' vectors, brought to length 1, so that cosine, dot product and
         l2 rank alike. No token is added or dropped, nothing is truncated. Queries are treated like documents.
         The empty text has no token and takes the vector of the unknown token, so that every text has a direction.
Cost     Linear in the text, save for a log factor in the tokenizer. The token vectors stay in the mapped file.

The package is located but never imported: importing it pulls in an HTTP client and compiled helpers, and its own loader
looks for the tokenizer in the wrong folder and then tries to download it.
"""

import importlib.util
import json
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from pergamum.domain.vectors import Matrix, Vector
from pergamum.errors import EmbeddingFailed

NAME: Final = "local"
DIMENSION: Final = 256
WEIGHTS: Final = "weights/l2_supercat_256.safetensors"
TENSOR: Final = "embedding.weight"
TOKENIZER: Final = "tokenizers/l2_supercat_tokenizer_config.json"
UNKNOWN_TOKEN: Final = 0
TEXTS_AT_ONCE: Final = 256
TOKENS_AT_ONCE: Final = 1024
"""Token vectors widened to float32 at a time: 1 MB, which stays in the processor's cache."""
SIGN_EXPONENT_FRACTION: Final = np.uint32(0x8FFFE000).view(np.int32)
EXPONENT_SHIFT: Final = np.float32(2.0**112)

HalfMatrix: TypeAlias = npt.NDArray[np.float16]


class _Model(NamedTuple):
    tokenizer: Tokenizer
    tokens: HalfMatrix


class LocalEmbedder:
    """WordLlama. The same text gives the same bits in every batch. Threads: calls may overlap.

    The model is loaded by the first call, or by `load`. Raises `EmbeddingFailed` when it is not installed.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._model: _Model | None = None

    @property
    def name(self) -> str:
        """The model's name as a library stores it."""
        return NAME

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""
        return DIMENSION

    def load(self) -> None:
        """Load the model now, so that the first text need not wait for it."""
        self._loaded()

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Return one vector of length 1 a text, float32 (len(texts), 256), in order. REQUIRES: no lone surrogates."""
        vectors = self.sums(texts)
        for first in range(0, len(texts), TEXTS_AT_ONCE):
            some = vectors[first : first + TEXTS_AT_ONCE]
            some /= np.sqrt(np.square(some).sum(axis=1, keepdims=True))
        return vectors

    def sums(self, texts: Sequence[str]) -> Matrix:
        """Return the sum of each text's token vectors, float32 (len(texts), 256), in order: a direction and a weight.

        The model learnt to make tokens long that tell texts apart: `flow` has length 13, `the` 1.6.
        """
        model = self._loaded()
        sums = np.empty((len(texts), DIMENSION), np.float32)
        for first in range(0, len(texts), TEXTS_AT_ONCE):
            some = texts[first : first + TEXTS_AT_ONCE]
            sums[first : first + len(some)] = _sum(model, some)
        return sums

    def embed_query(self, text: str) -> Vector:
        """Return the vector of a question, float32 (256,): the same as that of a document with this text."""
        vector: Vector = self.embed_documents([text])[0]
        return vector

    def _loaded(self) -> _Model:
        with self._lock:
            if self._model is None:
                self._model = _load(_package_folder())
            return self._model


def _package_folder() -> Path:
    spec = importlib.util.find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddingFailed(NAME, "the package wordllama is not installed: pip install 'pergamum[server]'")
    return Path(spec.submodule_search_locations[0])


@cache
def _load(folder: Path) -> _Model:
    """Load the model once for all who use it: embedders and rerankers."""
    try:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        return _Model(tokenizer, _map_tensor(folder / WEIGHTS))
    except Exception as error:  # the tokenizer's reader raises bare Exception
        raise EmbeddingFailed(NAME, f"its model cannot be read from {folder}: {error}") from error


def _map_tensor(path: Path) -> HalfMatrix:
    """Map the token vectors of a safetensors file: 8 bytes of length, that much JSON, then the numbers."""
    with path.open("rb") as file:
        header_size = int.from_bytes(file.read(8), "little")
        tensor = json.loads(file.read(header_size))[TENSOR]
    if tensor["dtype"] != "F16" or tensor["shape"][1:] != [DIMENSION]:
        raise ValueError(f"expected float16 (tokens, {DIMENSION}), found {tensor['dtype']} {tensor['shape']}")
    start = 8 + header_size + tensor["data_offsets"][0]
    return np.memmap(path, np.float16, "r", start, tuple(tensor["shape"]))


def _sum(model: _Model, texts: Sequence[str]) -> Matrix:
    encodings = model.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    ids = [encoding.ids or [UNKNOWN_TOKEN] for encoding in encodings]
    return np.concatenate([_sum_tokens(model.tokens, block) for block in _blocks(ids)])


def _blocks(ids: list[list[int]]) -> Iterator[list[list[int]]]:
    """Cut a list of texts into runs of at most TOKENS_AT_ONCE tokens; a longer text is a run of its own."""
    block: list[list[int]] = []
    room = TOKENS_AT_ONCE
    for tokens in ids:
        if len(tokens) > room and block:
            yield block
            block, room = [], TOKENS_AT_ONCE
        block.append(tokens)
        room -= len(tokens)
    yield block


def _sum_tokens(table: HalfMatrix, texts: list[list[int]]) -> Matrix:
    """Return the sum of each text's token vectors. How it is added depends on nothing but the text itself."""
    if len(texts[0]) > TOKENS_AT_ONCE:
        return _sum_long(table, texts[0])
    numbers = _widen(table[list(chain.from_iterable(texts))])
    sums = np.empty((len(texts), DIMENSION), np.float32)
    first = 0
    for row, tokens in zip(sums, texts, strict=True):  # measured: four times as fast as np.add.reduceat
        np.add.reduce(numbers[first : first + len(tokens)], axis=0, out=row)
        first += len(tokens)
    return sums


def _sum_long(table: HalfMatrix, tokens: list[int]) -> Matrix:
    total = np.zeros((1, DIMENSION), np.float32)
    for first in range(0, len(tokens), TOKENS_AT_ONCE):
        total += _sum_tokens(table, [tokens[first : first + TOKENS_AT_ONCE]])
    return total


def _widen(halves: HalfMatrix) -> Matrix:
    """Return finite float16 numbers as float32, exactly: six times as fast as `astype`, which goes one by one.

    The bits are moved to their places in a float32 (sign to 31, exponent and fraction up by 13); as float16 counts
    its exponent from 15 and float32 from 127, the product with 2**112 then makes the number right, tiny ones too.
    """
    bits = halves.view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= SIGN_EXPONENT_FRACTION
    wide: Matrix = bits.view(np.float32)
    wide *= EXPONENT_SHIFT
    return wide
