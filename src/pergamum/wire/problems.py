"""What goes wrong, on the wire (RFC 9457), and the report of an import."""

from pydantic import BaseModel, ConfigDict, Field

from pergamum.wire.common import AnswerModel, Position


class FieldProblem(AnswerModel):
    """One value that breaks a rule; `field` is its path in the request, such as `body.chunks.3.text`."""

    field: str
    reason: str


class Problem(BaseModel):
    """Why a request failed. `type` is stable; the facts of the case, such as `document_id`, are fields beside these."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldProblem] | None = Field(None, description="Each value at fault, where there may be several.")


class LineProblem(BaseModel):
    """Why a line of an import was refused; the facts of the case are fields beside these."""

    model_config = ConfigDict(extra="allow", frozen=True)

    line: int
    type: str
    detail: str


class ImportOut(AnswerModel):
    """How an import went: lines kept, lines refused, the first hundred reasons."""

    accepted: int
    failed: int
    errors: list[LineProblem]
    position: Position
