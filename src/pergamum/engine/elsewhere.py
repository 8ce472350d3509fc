"""What a process that only reads says when the one that writes has to answer."""

from uuid import UUID


class Elsewhere(Exception):
    """This process cannot answer now, the writer can. Never leaves the server.

    `library_id` is the library to be opened here once the writer has answered: it has opened it by then.
    """

    def __init__(self, library_id: UUID | None = None) -> None:
        super().__init__()
        self.library_id = library_id
