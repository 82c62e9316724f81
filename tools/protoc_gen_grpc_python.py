"""The gRPC half of Python's generator as a plugin: grpcio-tools has it built in, where buf
cannot reach it."""

import pathlib
import sys
import tempfile

from google.protobuf import descriptor_pb2
from google.protobuf.compiler import plugin_pb2
from grpc_tools import protoc

request = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
response = plugin_pb2.CodeGeneratorResponse(
    supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
)
with tempfile.TemporaryDirectory() as folder:
    descriptors, out = pathlib.Path(folder, "in.binpb"), pathlib.Path(folder, "out")
    out.mkdir()
    files = descriptor_pb2.FileDescriptorSet(file=request.proto_file)
    descriptors.write_bytes(files.SerializeToString())
    option = f"{request.parameter}:" if request.parameter else ""
    code = protoc.main(
        [
            "protoc",
            f"--descriptor_set_in={descriptors}",
            f"--grpc_python_out={option}{out}",
            *request.file_to_generate,
        ]
    )
    if code:
        response.error = f"grpc_python failed with {code}"
    for path in sorted(out.rglob("*.py")):
        response.file.add(name=str(path.relative_to(out)), content=path.read_text())
sys.stdout.buffer.write(response.SerializeToString())
