"""Haystack's own tests of document stores, as they are shipped, against a real server."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import numpy as np
import pytest
import pytest_asyncio
from haystack import Document
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DocumentStore
from haystack.testing import document_store as suite
from haystack.testing import document_store_async as async_suite

from pergamum.adapters.haystack import PergamumDocumentStore


def as_stored(document: Document) -> Document:
    """The document with its embedding rounded to float32, as every store of vectors has it."""
    if document.embedding is None:
        return document
    return replace(document, embedding=np.array(document.embedding, np.float32).tolist())


class TestSync(
    suite.DocumentStoreBaseExtendedTests,
    suite.CountDocumentsByFilterTest,
    suite.CountUniqueMetadataByFilterTest,
    suite.GetMetadataFieldsInfoTest,
    suite.GetMetadataFieldMinMaxTest,
    suite.GetMetadataFieldUniqueValuesTest,
):
    @pytest.fixture
    def document_store(self, server_url: str, library_name: str) -> Iterator[PergamumDocumentStore]:
        store = PergamumDocumentStore(library_name, url=server_url, embedding_dim=768)
        yield store
        store.close()

    @staticmethod
    def assert_documents_are_equal(received: list[Document], expected: list[Document]) -> None:
        """The suite's hook for stores that round: the same documents, in the same order."""
        assert received == [as_stored(document) for document in expected]

    def test_write_documents(self, document_store: DocumentStore) -> None:
        """The suite leaves to each store what its default policy is: ours fails."""
        document = Document(content="test doc")
        assert document_store.write_documents([document]) == 1
        with pytest.raises(DuplicateDocumentError):
            document_store.write_documents([document])


class TestAsync(
    async_suite.CountDocumentsAsyncTest,
    async_suite.WriteDocumentsAsyncTest,
    async_suite.DeleteDocumentsAsyncTest,
    async_suite.FilterDocumentsAsyncTest,
    async_suite.DeleteAllAsyncTest,
    async_suite.DeleteByFilterAsyncTest,
    async_suite.UpdateByFilterAsyncTest,
    async_suite.CountDocumentsByFilterAsyncTest,
    async_suite.CountUniqueMetadataByFilterAsyncTest,
    async_suite.GetMetadataFieldsInfoAsyncTest,
    async_suite.GetMetadataFieldMinMaxAsyncTest,
    async_suite.GetMetadataFieldUniqueValuesAsyncTest,
):
    @pytest_asyncio.fixture
    async def document_store(self, server_url: str, library_name: str) -> AsyncIterator[PergamumDocumentStore]:
        store = PergamumDocumentStore(library_name, url=server_url, embedding_dim=768)
        yield store
        await store.close_async()

    @staticmethod
    def assert_documents_are_equal(received: list[Document], expected: list[Document]) -> None:
        """The suite's hook for stores that round: the same documents, in the same order."""
        assert received == [as_stored(document) for document in expected]

    @pytest.mark.asyncio
    async def test_write_documents_async(self, document_store: PergamumDocumentStore) -> None:
        """The suite leaves to each store what its default policy is: ours fails."""
        document = Document(content="test doc")
        assert await document_store.write_documents_async([document]) == 1
        with pytest.raises(DuplicateDocumentError):
            await document_store.write_documents_async([document])
