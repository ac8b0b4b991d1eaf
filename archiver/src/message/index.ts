export { decodeMessage, encodeMessage, EnvelopeError, type IngestMessage } from "./envelope.ts";
