"""How bodies are read."""

from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class Json(JSONParser):
    """JSON; one that is nested too deeply to be read is the caller's fault, as is one that is cut off."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """Returns what the body holds.

        Raises:
            ParseError: it is no JSON.
        """
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("It is nested too deeply.") from error
