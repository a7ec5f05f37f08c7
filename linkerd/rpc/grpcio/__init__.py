"""The reference engine: gRPC core, by `grpc.aio` with generic handlers."""
