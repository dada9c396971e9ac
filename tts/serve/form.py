"""A form with a recording, ``multipart/form-data`` (RFC 7578), in memory: what people say is not written to a disk."""

from __future__ import annotations

from collections.abc import Collection
from email.message import Message

from tts.base.errors import DataError

_NAME = "content-disposition"


def parse_form(content_type: str, data: bytes, fields: Collection[str]) -> dict[str, bytes]:
    """Field -> content.

    Args:
        content_type: Header of the request.
        data: Its body.
        fields: Names there may be, each once.

    Raises:
        DataError: It is no such form, is cut off, or has another field, or one twice.
    """
    boundary = _header("content-type", content_type).get_boundary("")
    if not content_type.lower().startswith("multipart/form-data") or not boundary:
        raise DataError("the body is not declared as a form.", where="Content-Type", code="serve.media_type",
                        fix="Send it as multipart/form-data.")  # fmt: skip
    first, *parts = (b"\r\n" + data).split(b"\r\n--" + boundary.encode("latin-1", "replace"), len(fields) + 2)
    if first or not parts or not parts.pop().startswith(b"--"):
        raise _malformed("it does not end with its boundary, or has too many parts")
    found: dict[str, bytes] = {}
    for part in parts:
        head, gap, content = part.partition(b"\r\n\r\n")
        lines = (line.partition(":") for line in head.decode("utf-8", "replace").split("\r\n"))
        told = [value.strip() for key, _, value in lines if key.lower() == _NAME]
        if not gap or len(told) != 1:
            raise _malformed("a part has no name")
        name = _header(_NAME, told[0]).get_param("name", header=_NAME)
        if not isinstance(name, str) or name not in fields or name in found:
            raise DataError(f"field {name!r:.80} is {'given twice' if name in found else 'not known'}.", where="request",
                            code="request.field", fix=f"There are: {', '.join(fields)}.")  # fmt: skip
        found[name] = content
    return found


def _header(name: str, value: str) -> Message:
    message = Message()
    message[name] = value.replace("\r", " ").replace("\n", " ")
    return message


def _malformed(fault: str) -> DataError:
    return DataError(f"the form is malformed: {fault}.", where="request", code="request.form")
