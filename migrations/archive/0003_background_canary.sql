CREATE TABLE `background_counts` (
	`rollout_id` text NOT NULL,
	`phase` integer NOT NULL,
	`lane` text NOT NULL,
	`route` text NOT NULL,
	`requests` integer NOT NULL,
	`errors` integer NOT NULL,
	`exceptions` integer NOT NULL,
	`overdue` integer NOT NULL,
	`deliveries` integer NOT NULL,
	`failed_deliveries` integer NOT NULL,
	`latency` text NOT NULL,
	PRIMARY KEY(`rollout_id`, `phase`, `lane`, `route`)
);
--> statement-breakpoint
CREATE TABLE `background_handovers` (
	`id` text PRIMARY KEY NOT NULL,
	`rollout_id` text NOT NULL,
	`phase` integer NOT NULL,
	`route` text NOT NULL,
	`requests` integer NOT NULL,
	`due_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `background_orders` (
	`name` text PRIMARY KEY NOT NULL,
	`rollout_id` text NOT NULL,
	`phase` integer NOT NULL,
	`revision` integer NOT NULL,
	`share` real NOT NULL,
	`overdue_ms` integer NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `background_probes` (
	`rollout_id` text NOT NULL,
	`phase` integer NOT NULL,
	`runs` integer NOT NULL,
	`state` text NOT NULL,
	`started_at` integer NOT NULL,
	PRIMARY KEY(`rollout_id`, `phase`)
);
