/** Short ways to write what a message says and who gets it. */

import { create } from "@bufbuild/protobuf";
import { type Content, ContentSchema } from "./gen/wecomgw/v1/content_pb.js";
import { type Recipients, RecipientsSchema } from "./gen/wecomgw/v1/message_service_pb.js";

/** Plain text. */
export function text(content: string): Content {
  return create(ContentSchema, { kind: { case: "text", value: { content } } });
}

/** Text in WeCom's subset of Markdown. */
export function markdown(content: string): Content {
  return create(ContentSchema, { kind: { case: "markdown", value: { content } } });
}

/** A card of title, description and link. */
export function textCard(title: string, description: string, url: string): Content {
  return create(ContentSchema, { kind: { case: "textCard", value: { title, description, url } } });
}

/** A picture that was uploaded. */
export function image(mediaId: string): Content {
  return create(ContentSchema, { kind: { case: "image", value: { media: media(mediaId) } } });
}

/** A file that was uploaded. */
export function file(mediaId: string): Content {
  return create(ContentSchema, { kind: { case: "file", value: { media: media(mediaId) } } });
}

/** These members. */
export function users(...userIds: string[]): Recipients {
  return create(RecipientsSchema, { userIds });
}

/** The members of these departments. */
export function departments(...departmentIds: number[]): Recipients {
  return create(RecipientsSchema, { departmentIds });
}

/** The members with these tags. */
export function tags(...tagIds: number[]): Recipients {
  return create(RecipientsSchema, { tagIds });
}

/** Everyone whom the app can see. */
export function everyone(): Recipients {
  return create(RecipientsSchema, { everyone: true });
}

function media(mediaId: string) {
  return { source: { case: "mediaId" as const, value: mediaId } };
}
