"""The shim's channel to the gRPC server that it stands beside."""

from __future__ import annotations

import grpc

_MESSAGE_BYTES = 16 * 1024 * 1024


def open_channel(target: str) -> grpc.aio.Channel:
    """Open a plaintext channel to "host:port", to be closed by `async with`. It goes past any HTTP proxy."""
    return grpc.aio.insecure_channel(
        target,
        options=[
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MESSAGE_BYTES),
            ("grpc.enable_http_proxy", 0),
            # The library would let a stream that nobody reads run 10 MB ahead; so it is 64 KiB, and no call is slower.
            ("grpc.http2.bdp_probe", 0),
        ],
    )
