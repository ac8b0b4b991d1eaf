/** Sends a request to the simulator of one store (KV, D1 or R2), past the system worker. */
export interface StoreRequest {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | ArrayBuffer | Uint8Array<ArrayBuffer>;
}

/** @param path begins after the store's id, without a slash. */
export type StoreClient = (
  store: "KV" | "D1" | "R2",
  id: string,
  path: string,
  request: StoreRequest,
) => Promise<Response>;
