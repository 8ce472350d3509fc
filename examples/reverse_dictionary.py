"""Find the word you cannot recall: describe it in your own words.

python examples/reverse_dictionary.py a song that makes a baby fall asleep
"""

import sys

from pergamum import Pergamum
from pergamum.client import ClientError


def main() -> None:
    """Print the five words whose definitions are nearest to the description."""
    description = " ".join(sys.argv[1:]) or "a song that makes a baby fall asleep"
    with Pergamum() as client:  # PERGAMUM_URL, or http://127.0.0.1:8000
        words = client.library("wordnet")
        for hit in words.search(text=description, k=5).hits:
            word = words.documents.get(hit.document_id)
            print(f"{hit.score:.2f}  {word.title}: {hit.text}")


if __name__ == "__main__":
    try:
        main()
    except ClientError as error:
        sys.exit(f"{error}\nStart a server with the words in it: ./run.sh --demo")
