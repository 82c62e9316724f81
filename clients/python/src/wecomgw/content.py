"""Short ways to write what a message says and who gets it."""

from .v1 import content_pb2 as c
from .v1.message_service_pb2 import Recipients


def text(content: str) -> c.Content:
    """Plain text."""
    return c.Content(text=c.Text(content=content))


def markdown(content: str) -> c.Content:
    """Text in WeCom's subset of Markdown."""
    return c.Content(markdown=c.Markdown(content=content))


def text_card(title: str, description: str, url: str) -> c.Content:
    """A card of title, description and link."""
    return c.Content(text_card=c.TextCard(title=title, description=description, url=url))


def image(media_id: str) -> c.Content:
    """A picture that was uploaded."""
    return c.Content(image=c.Image(media=c.Media(media_id=media_id)))


def file(media_id: str) -> c.Content:
    """A file that was uploaded."""
    return c.Content(file=c.File(media=c.Media(media_id=media_id)))


def users(*user_ids: str) -> Recipients:
    """These members."""
    return Recipients(user_ids=user_ids)


def departments(*department_ids: int) -> Recipients:
    """The members of these departments."""
    return Recipients(department_ids=department_ids)


def tags(*tag_ids: int) -> Recipients:
    """The members with these tags."""
    return Recipients(tag_ids=tag_ids)


def everyone() -> Recipients:
    """Everyone whom the app can see."""
    return Recipients(everyone=True)
