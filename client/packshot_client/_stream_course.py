"""The course of a call with several responses: as that of a call with one, and what each means."""

from __future__ import annotations

from typing import Any, TypeVar

import grpc

from packshot_client._calls import Call
from packshot_client._course import Course
from packshot_client._dispatcher import Attempt, Dispatcher

_ResultT = TypeVar("_ResultT")


class StreamCourse(Course[_ResultT]):
    """The attempts of one call whose responses are read as they come.

    Args:
        dispatcher: Of the client.
        call: What is asked.
    """

    def __init__(self, dispatcher: Dispatcher, call: Call[_ResultT]) -> None:
        super().__init__(dispatcher, call)
        self._last: Any = None

    def received(self, attempt: Attempt, response: Any) -> _ResultT:
        """What one of several responses means.

        Raises:
            RequestError: It is an error, or cannot be read.
        """
        if response.error_message:
            # Of a server too old to end the call with a status.
            self.refused(
                attempt, grpc.StatusCode.UNKNOWN, response.error_message, None, retry=False
            )
        self._last = response.infer_response
        result = self._read(attempt, self._last)
        self._responses += 1
        return result

    def ended(self, attempt: Attempt) -> None:
        """The responses have come to their end.

        Raises:
            InvalidResponseError: The last one was not among them.
        """
        last = self._last
        if last is None or not last.parameters["triton_final_response"].bool_param:
            self._unreadable(attempt, "it ended before its last part")
        self._finish(attempt, version=last.model_version)
