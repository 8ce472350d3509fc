"""LangChain's adapter: the public suites as they are shipped, and what they leave open."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import RetrieversIntegrationTests, VectorStoreIntegrationTests

from pergamum.adapters.langchain import PergamumRetriever, PergamumVectorStore
from pergamum.client import Pergamum


class TestVectorStore(VectorStoreIntegrationTests):
    @pytest.fixture
    async def vectorstore(self, server_url: str, library_name: str) -> AsyncIterator[VectorStore]:
        store = await PergamumVectorStore.aopen(library_name, self.get_embeddings(), url=server_url)
        yield store
        await store.aclose()


class TestRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _store(self, client: Pergamum, library_name: str) -> None:
        embedding = VectorStoreIntegrationTests.get_embeddings()
        self.store = PergamumVectorStore.from_texts(list("abcde"), embedding, library=library_name, client=client)

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return PergamumRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"store": self.store}

    @property
    def retriever_query_example(self) -> str:
        return "c"
