CREATE TABLE `rollout_history` (
	`rollout_id` text NOT NULL,
	`status` text NOT NULL,
	`phase` integer NOT NULL,
	`tag` text NOT NULL,
	`at` integer NOT NULL,
	`read_share` integer NOT NULL,
	`write_share` integer NOT NULL,
	`reason` text NOT NULL,
	PRIMARY KEY(`rollout_id`, `status`, `phase`)
);
--> statement-breakpoint
CREATE INDEX `rollout_history_at` ON `rollout_history` (`at`);