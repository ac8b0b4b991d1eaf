CREATE TABLE `dead_letters` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`delivery_id` text NOT NULL,
	`reason` text NOT NULL,
	`dataset_id` text,
	`table_name` text,
	`record_count` integer,
	`accepted_at` integer,
	`bytes` integer NOT NULL,
	`received_at` integer NOT NULL,
	`body` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `dead_letters_delivery_id_unique` ON `dead_letters` (`delivery_id`);--> statement-breakpoint
CREATE INDEX `idx_dead_letters_dataset` ON `dead_letters` (`dataset_id`);--> statement-breakpoint
CREATE TABLE `erasure_files` (
	`erasure_id` text NOT NULL,
	`file_path` text NOT NULL,
	PRIMARY KEY(`erasure_id`, `file_path`)
);
--> statement-breakpoint
CREATE TABLE `erasures` (
	`id` text PRIMARY KEY NOT NULL,
	`dataset_id` text NOT NULL,
	`requested_at` integer NOT NULL,
	`last_row` integer NOT NULL,
	`completed_at` integer,
	`hot_rows` integer NOT NULL,
	`hot_records` integer NOT NULL,
	`cold_blocks` integer NOT NULL,
	`cold_records` integer NOT NULL,
	`dead_letters` integer NOT NULL,
	`files_rewritten` integer NOT NULL,
	`files_deleted` integer NOT NULL,
	`bytes_before` integer NOT NULL,
	`bytes_after` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `idx_erasures_dataset` ON `erasures` (`dataset_id`,`requested_at`);--> statement-breakpoint
CREATE TABLE `ingest_keys` (
	`key_hash` text PRIMARY KEY NOT NULL,
	`request_hash` text NOT NULL,
	`accepted` integer NOT NULL,
	`messages` integer NOT NULL,
	`bytes` integer NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `idx_ingest_keys_age` ON `ingest_keys` (`created_at`);--> statement-breakpoint
CREATE TABLE `reindex_blocks` (
	`file_path` text NOT NULL,
	`dataset_id` text NOT NULL,
	`start_byte` integer NOT NULL,
	`length` integer NOT NULL,
	`crc32` integer NOT NULL,
	`record_count` integer NOT NULL,
	`start_timestamp` integer NOT NULL,
	`end_timestamp` integer NOT NULL,
	PRIMARY KEY(`file_path`, `start_byte`)
);
--> statement-breakpoint
CREATE INDEX `idx_reindex_blocks_dataset` ON `reindex_blocks` (`dataset_id`);--> statement-breakpoint
CREATE TABLE `reindex_files` (
	`file_path` text PRIMARY KEY NOT NULL,
	`file` text NOT NULL,
	`rows` text NOT NULL,
	`uploaded_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `row_spaces` (
	`table_name` text PRIMARY KEY NOT NULL,
	`first_row` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `bucket_sweep` (
	`name` text PRIMARY KEY NOT NULL,
	`position` text NOT NULL
);
--> statement-breakpoint
ALTER TABLE `archived_files` ADD `state` text DEFAULT 'live' NOT NULL;--> statement-breakpoint
ALTER TABLE `archived_files` ADD `state_at` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `archived_files` ADD `level` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `archived_files` ADD `generation` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `archived_files` ADD `retained_from` integer DEFAULT 9007199254740991 NOT NULL;--> statement-breakpoint
CREATE INDEX `idx_archived_files_state` ON `archived_files` (`state`,`state_at`);--> statement-breakpoint
CREATE INDEX `idx_archived_files_retained` ON `archived_files` (`retained_from`);--> statement-breakpoint
-- strata:allow unbounded-update one row a file of the archive, thousands at most, and the columns are new: nothing reads them yet
UPDATE `archived_files` SET `state_at` = `created_at`, `retained_from` = `created_at`;
--> statement-breakpoint
INSERT INTO `row_spaces` (`table_name`, `first_row`)
SELECT 'buffer_logs', CASE WHEN EXISTS (SELECT 1 FROM `archived_files`) OR EXISTS (SELECT 1 FROM `buffer_logs`) THEN 0 ELSE unixepoch() * 1000000 END;
--> statement-breakpoint
INSERT INTO `buffer_logs` (`id`, `message_id`, `dataset_id`, `table_name`, `period`, `schema_fingerprint`, `record_count`, `min_time`, `max_time`, `bytes`, `created_at`, `data`)
VALUES (unixepoch() * 1000000, '', '', '', '', '', 0, 0, 0, 0, 0, '');
--> statement-breakpoint
DELETE FROM `buffer_logs` WHERE `message_id` = '';
