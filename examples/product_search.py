"""Filtered product search with vectors of your own: NumPy arrays in, typed hits out.

python examples/product_search.py --category kitchen --below 40
python examples/product_search.py --url http://127.0.0.1:8000

The products are made up, as `pergamum generate` makes them; in a shop the vectors come from a model of images or texts.
"""

import argparse
import sys

from pergamum import F, Pergamum
from pergamum.client import ClientError, Conflict, Library
from pergamum.synthetic import SCHEMA, Recipe, documents, queries

PRODUCTS = Recipe(seed=1, dimension=64, clusters=20, chunks_per_document=1)
NUMBER = 3_000


def main() -> None:
    """Print the products nearest to a vector that are in stock and not too dear."""
    options = arguments()
    wanted = (F.category == options.category) & (F.price < options.below) & (F.in_stock == True)  # noqa: E712  # makes a filter
    query = next(queries(PRODUCTS, 1))["vector"]  # float32, shape (64,)
    with Pergamum(options.url) if options.url else Pergamum.local() as client:
        products = filled(client)
        number = products.documents.count(wanted)
        answer = products.search(vector=query, k=5, filter=wanted, select=["document.metadata"])
    print(f"{number} of {NUMBER} products are in stock, {options.category}, below {options.below}; nearest first:")
    for hit in answer.hits:
        facts = (hit.document and hit.document.metadata) or {}
        rating = facts.get("rating", "not yet")
        print(f"{hit.score:.3f}  {hit.document_id}  {facts['price']:>8.2f}  from {facts['year']}, rated {rating}")


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description="Find products by a vector and by facts.")
    parser.add_argument("--category", default="books", help="books, kitchen, garden, ...")
    parser.add_argument("--below", type=float, default=50.0, help="greatest price")
    parser.add_argument("--url", help="a server; without one the engine runs in this process")
    return parser.parse_args()


def filled(client: Pergamum) -> Library:
    """Return the library of products; storing them again replaces them."""
    try:
        products = client.libraries.create(name="products", dimension=PRODUCTS.dimension, metadata_schema=SCHEMA)
    except Conflict:
        products = client.libraries.get("products")
    products.documents.add_many(documents(PRODUCTS, NUMBER))
    return products


if __name__ == "__main__":
    try:
        main()
    except ClientError as error:
        sys.exit(str(error))
