import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pergamum.embedding import local
from pergamum.embedding.local import LocalEmbedder
from pergamum.errors import EmbeddingFailed


@pytest.fixture(scope="module")
def embedder() -> LocalEmbedder:
    return LocalEmbedder()


def reference(text: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The plain mean of the tokens' vectors, in float64, as WordLlama's own code has it, then brought to length 1."""
    tokenizer, table = local._load(local._package_folder())
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    mean = np.mean([np.array(table[token], np.float64) for token in ids], axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


@pytest.mark.parametrize("text", ["wing", "A swept wing flutters at Mach 0.8.", "図書館で本を読む", "word " * 3000])
def test_the_vector_is_the_mean_of_the_tokens_brought_to_length_one(embedder: LocalEmbedder, text: str) -> None:
    np.testing.assert_allclose(embedder.embed_query(text), reference(text), atol=2e-6)


def test_near_meanings_are_nearer_than_far_ones(embedder: LocalEmbedder) -> None:
    cat, kitten, treaty = embedder.embed_documents(["a small cat", "a young kitten", "the treaty was signed"])

    assert cat @ kitten > cat @ treaty + 0.2


def test_a_text_without_tokens_takes_the_vector_of_the_unknown_token(embedder: LocalEmbedder) -> None:
    assert embedder.embed_query("").tobytes() == embedder.embed_query("<unk>").tobytes()


def test_widening_is_exact_for_every_finite_float16() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = halves[np.isfinite(halves)].reshape(-1, 1)

    assert local._widen(finite).tobytes() == finite.astype(np.float32).tobytes()


def test_every_token_of_the_model_is_finite_and_has_a_direction() -> None:
    table = local._load(local._package_folder()).tokens

    assert np.isfinite(table).all()
    assert table.any(axis=1).all()


def test_the_weights_stay_in_the_mapped_file() -> None:
    table = local._load(local._package_folder()).tokens

    assert isinstance(table, np.memmap)
    assert not table.flags.writeable


def test_a_folder_without_the_model_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingFailed, match="local: its model cannot be read from"):
        local._load(tmp_path)


def test_other_weights_than_expected_are_refused(tmp_path: Path) -> None:
    header = b'{"embedding.weight":{"dtype":"F32","shape":[2,64],"data_offsets":[0,512]}}'
    path = tmp_path / "weights.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(512))

    with pytest.raises(ValueError, match="expected float16"):
        local._map_tensor(path)


def test_embedding_imports_neither_the_package_nor_an_http_client() -> None:
    program = (
        "import sys; from pergamum.embedding.factory import Embedders\n"
        "Embedders().get('local').embed_query('wing')\n"
        "print(*{'wordllama', 'requests', 'httpx', 'cohere', 'safetensors'} & set(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []
