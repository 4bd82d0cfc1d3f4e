"""The exchange of messages with a camera: keep-alives pass, and unread answers are bounded."""

from edge_agent.sources.authentication import Authenticator
from edge_agent.sources.rtsp import exchange as exchange_module
from edge_agent.sources.rtsp import relay
from edge_agent.sources.rtsp.exchange import RtspExchange
from shared.protocol.status import CameraError
from tests.edge_agent.sources.rtsp.reading import failure
from tests.rigs.scripted_rtsp import Picture, Reply, Request, ScriptedCamera


def test_a_camera_that_leaves_keep_alives_unanswered_goes_on(pictures: list[Picture]) -> None:
    """FFmpeg sends one every half of the session's life; four in a row, and then the end, all get to the camera."""
    exchange = RtspExchange(
        local_url="rtsp://127.0.0.1:1/s",
        camera_url="rtsp://10.0.0.1/cam?a=1",
        authenticator=Authenticator(None),
    )
    for number in range(1, 5):
        exchange.receive_from_player(
            f"GET_PARAMETER rtsp://127.0.0.1:1/s RTSP/1.0\r\nCSeq: {number}\r\n\r\n".encode()
        )
    exchange.receive_from_player(b"TEARDOWN rtsp://127.0.0.1:1/s RTSP/1.0\r\nCSeq: 5\r\nSession: 7\r\n\r\n")
    sent = exchange.to_camera.decode()
    assert sent.count("GET_PARAMETER rtsp://10.0.0.1/cam?a=1 RTSP/1.0") == 4
    assert "TEARDOWN rtsp://10.0.0.1/cam?a=1 RTSP/1.0\r\nCSeq: 5\r\n" in sent
    assert exchange.failure is None


ASKED = b"OPTIONS rtsp://c/ RTSP/1.0\r\nCSeq: 1\r\n\r\n"


def test_a_camera_that_asks_and_never_reads_is_left(pictures: list[Picture]) -> None:
    """Each request costs it less than the answer costs us."""

    def answer(request: Request) -> Reply | None:
        # More than sockets hold on their way. The thread that sends it reads nothing meanwhile.
        return Reply(raw=ASKED * 400_000) if request.method == "DESCRIBE" else None

    with ScriptedCamera(pictures, answer=answer) as camera:
        error = failure(camera.url())
    assert error.error is CameraError.BAD_DATA
    assert "does not read" in error.detail


def exchange() -> RtspExchange:
    return RtspExchange(
        local_url="rtsp://127.0.0.1:1/s", camera_url="rtsp://c/", authenticator=Authenticator(None)
    )


def test_a_camera_that_reads_may_ask_as_much_as_it_likes() -> None:
    one, count = exchange(), 0
    for _ in range(400):
        one.receive_from_camera(ASKED * (relay.READ_BYTES // len(ASKED)))
        count += one.to_camera.count(b"RTSP/1.0 200 OK")
        one.to_camera.clear()
        if count > 20_000:
            break
    assert one.failure is None
    assert count > 20_000


def test_answers_to_a_camera_that_does_not_read_are_bounded() -> None:
    one = exchange()
    for _ in range(400):
        one.receive_from_camera(ASKED * 50)
    assert one.failure is not None
    assert one.failure.error is CameraError.BAD_DATA
    assert len(one.to_camera) <= exchange_module.UNREAD_LIMIT_BYTES


def test_reports_to_a_camera_that_does_not_read_are_bounded() -> None:
    one = exchange()
    for _ in range(2000):
        one.receive_from_player(b"$\1\x04\0" + bytes(1024))
    assert one.failure is not None
    assert len(one.to_camera) <= exchange_module.UNREAD_LIMIT_BYTES
