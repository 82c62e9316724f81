"""Client of wecomgw, a gRPC gateway to WeCom (企业微信)."""

from .client import VERSION, Client, connect, from_env
from .content import departments, everyone, file, image, markdown, tags, text, text_card, users
from .errors import FieldViolation, GatewayError

__version__ = VERSION
__all__ = [
    "Client",
    "FieldViolation",
    "GatewayError",
    "connect",
    "departments",
    "everyone",
    "file",
    "from_env",
    "image",
    "markdown",
    "tags",
    "text",
    "text_card",
    "users",
]
