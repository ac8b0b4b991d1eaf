CREATE TABLE `rollout_transitions` (
	`rollout_id` text NOT NULL,
	`revision` integer NOT NULL,
	`at` integer NOT NULL,
	`status` text NOT NULL,
	`phase` integer NOT NULL,
	`read_share` real NOT NULL,
	`write_share` real NOT NULL,
	`background_share` real NOT NULL,
	`reason` text NOT NULL,
	`by` text NOT NULL,
	`tag` text NOT NULL,
	PRIMARY KEY(`rollout_id`, `revision`)
);
--> statement-breakpoint
CREATE INDEX `rollout_transitions_at` ON `rollout_transitions` (`at`);--> statement-breakpoint
-- The newest thousand rows of the former table, under the statuses of today; a repeat changes nothing.
INSERT OR IGNORE INTO `rollout_transitions`
	(`rollout_id`, `revision`, `at`, `status`, `phase`, `read_share`, `write_share`, `background_share`, `reason`, `by`, `tag`)
SELECT `rollout_id`, row_number() OVER (PARTITION BY `rollout_id` ORDER BY `at`, `phase`, rowid), `at`,
	CASE `status` WHEN 'promoted' THEN 'done' WHEN 'rolled-back' THEN 'rolled-back' WHEN 'active' THEN iif(`phase` = 0, 'preparing', 'running') ELSE `status` END,
	`phase`, `read_share`, `write_share`, 0, `reason`, 'unknown', `tag`
FROM `rollout_history` ORDER BY `at` DESC LIMIT 1000;
