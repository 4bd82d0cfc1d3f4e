"""RTSP over TCP: a relay on the loopback between FFmpeg and the camera signs requests and filters answers.

`rtsp_source` is the `Source`; `relay` owns the sockets and the thread, `exchange` the protocol, `wire` the bytes.
"""
