export { API_KEY_HEADER, apiKey } from "./credential.ts";
export { isAdmin, requireAdmin, requireApiKey } from "./require.ts";
