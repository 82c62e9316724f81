/** Client of wecomgw, a gRPC gateway to WeCom (企业微信). */

export { Client, connect, fromEnv, VERSION, type Options } from "./client.js";
export { departments, everyone, file, image, markdown, tags, text, textCard, users } from "./content.js";
export { GatewayError, type FieldViolation } from "./errors.js";
