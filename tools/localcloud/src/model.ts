/**
 * The things that the local cloud stores, in the shapes that its parts share:
 * the control plane (REST) writes them, the data plane (workerd) runs them.
 */

/** One module of an uploaded bundle. `type` follows the MIME type of its part. */
export interface ScriptModule {
  readonly name: string;
  readonly type: "esm" | "commonjs" | "wasm" | "text" | "data" | "json";
  readonly contents: Uint8Array;
}

/** A binding as uploaded in a version's metadata; the field names are Cloudflare's. */
export type ScriptBinding =
  | { readonly type: "kv_namespace"; readonly name: string; readonly namespace_id: string }
  | { readonly type: "d1"; readonly name: string; readonly id: string }
  | { readonly type: "r2_bucket"; readonly name: string; readonly bucket_name: string }
  | { readonly type: "queue"; readonly name: string; readonly queue_name: string }
  | {
      readonly type: "service";
      readonly name: string;
      readonly service: string;
      readonly entrypoint?: string | undefined;
    }
  | {
      readonly type: "durable_object_namespace";
      readonly name: string;
      readonly class_name: string;
      /** Absent: the class is the script's own. */
      readonly script_name?: string | undefined;
    }
  | { readonly type: "plain_text"; readonly name: string; readonly text: string }
  | { readonly type: "secret_text"; readonly name: string; readonly text: string }
  | { readonly type: "json"; readonly name: string; readonly json: unknown }
  | { readonly type: "version_metadata"; readonly name: string };

/** An immutable version of a script: code, bindings (secrets included) and annotations. */
export interface ScriptVersion {
  /** UUID. */
  readonly id: string;
  readonly scriptName: string;
  /** 1, 2, 3 … within the script. */
  readonly number: number;
  /** Milliseconds UTC. */
  readonly createdAt: number;
  readonly tag: string | null;
  readonly message: string | null;
  readonly mainModule: string;
  readonly modules: readonly ScriptModule[];
  readonly compatibilityDate: string;
  readonly compatibilityFlags: readonly string[];
  readonly bindings: readonly ScriptBinding[];
}

/** A Durable Object class that a script owns after its applied migrations. */
export interface DurableObjectClass {
  readonly className: string;
  readonly sqlite: boolean;
}

export interface QueueConsumerSettings {
  /** Messages a batch, 1–100. */
  readonly batchSize: number;
  /** How long to wait for a full batch, in milliseconds. */
  readonly maxWaitMs: number;
  /** Deliveries after the first before a message is dead-lettered or dropped. */
  readonly maxRetries: number;
  /** Delay before a retry, in seconds. */
  readonly retryDelaySeconds: number;
  /** Batches in flight at once; `null` means the platform decides (here: 1). */
  readonly maxConcurrency: number | null;
}

export interface QueueConsumer {
  readonly id: string;
  readonly queueId: string;
  readonly scriptName: string;
  readonly deadLetterQueue: string | null;
  readonly settings: QueueConsumerSettings;
}

export interface QueueRecord {
  /** 32 hex digits. */
  readonly id: string;
  readonly name: string;
  readonly deliveryDelaySeconds: number;
  readonly deliveryPaused: boolean;
  /** How long an unacknowledged message is kept, in seconds. */
  readonly retentionSeconds: number;
}

/** A version with its share of the script's traffic, in percent. */
export interface VersionShare {
  readonly version: ScriptVersion;
  readonly percentage: number;
}

/** A script as the data plane must run it now. */
export interface DeployedScript {
  readonly name: string;
  /** Loopback port on which the script answers; assigned once, kept for its life. */
  readonly port: number;
  /** One or two versions of the current deployment; empty for a shell without code. */
  readonly versions: readonly VersionShare[];
  readonly durableObjectClasses: readonly DurableObjectClass[];
  readonly crons: readonly string[];
  /** Whether its public (workers.dev) address answers; queues, crons and bindings work regardless. */
  readonly public: boolean;
}

/** The whole desired state of the data plane. */
export interface DataPlaneState {
  readonly scripts: readonly DeployedScript[];
  readonly kvNamespaceIds: readonly string[];
  readonly d1DatabaseIds: readonly string[];
  readonly r2BucketNames: readonly string[];
  readonly queues: readonly QueueRecord[];
  readonly consumers: readonly QueueConsumer[];
}
